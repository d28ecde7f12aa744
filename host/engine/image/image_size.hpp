// The size of a picture without its pixels.
#pragma once

#include <filesystem>

#include "engine/image/image_resize.hpp"

namespace gesso::image {

/// The size of an image file, upright, from its header. @throws Error as `load`
Size size_of(const std::filesystem::path& path);

}  // namespace gesso::image
