// A complete variant of a stranger: pixel art. See pixel_art.variant.toml for who does what.
#include "parts.hpp"

GESSO_EXPORT_PLUGIN("org.example.pixel_art", "1.0.0", "Example", "Apache-2.0", pixel_art::Composer,
                    pixel_art::Codec)
