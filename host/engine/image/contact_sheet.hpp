// Several images on one sheet.
#pragma once

#include <span>

#include "engine/image/image.hpp"

namespace gesso::image {

/// Lays images on a white sheet, row by row, in a grid that is as square as their number allows.
/// Cells have the size of the largest image; smaller ones stand in the middle. The sheet is RGB and
/// carries no metadata.
///
/// @param margin  pixels between and around the cells
/// @throws Error  InvalidArgument without images or with a negative margin
Image contact_sheet(std::span<const Image> images, int margin = 8);

}  // namespace gesso::image
