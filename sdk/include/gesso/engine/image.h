/* Pictures: rows from the top, bytes R G B (A), with text entries. */
#ifndef GESSO_ENGINE_IMAGE_H
#define GESSO_ENGINE_IMAGE_H

#include "engine.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct gesso_image gesso_image_t;

/* [thread-safe; until release] Copies width * height * channels bytes; channels 3 or 4. */
GESSO_API gesso_status_t GESSO_CALL gesso_image_create(const uint8_t* pixels, uint32_t width,
                                                       uint32_t height, uint32_t channels,
                                                       gesso_image_t** out, gesso_error_t* error);
/* [thread-safe; until release] PNG, JPEG or WebP, told by content. */
GESSO_API gesso_status_t GESSO_CALL gesso_image_load(const char* path, gesso_image_t** out,
                                                     gesso_error_t* error);
/* [thread-safe] .png, .jpg, .jpeg or .webp; written to a temporary name and renamed. */
GESSO_API gesso_status_t GESSO_CALL gesso_image_save(const gesso_image_t* image, const char* path,
                                                     gesso_error_t* error);
/* [thread-safe] The same with a quality of 1 to 100 for JPEG and WebP; above it is 95. */
GESSO_API gesso_status_t GESSO_CALL gesso_image_save_quality(const gesso_image_t* image,
                                                             const char* path, uint32_t quality,
                                                             gesso_error_t* error);
/* [thread-safe; until release] A grid of pictures of any size, near to a square. */
GESSO_API gesso_status_t GESSO_CALL gesso_image_sheet(const gesso_image_t* const* images,
                                                      uint32_t count, gesso_image_t** out,
                                                      gesso_error_t* error);
GESSO_API void GESSO_CALL gesso_image_size(const gesso_image_t* image, uint32_t* width,
                                           uint32_t* height, uint32_t* channels);  // [thread-safe]
/* [thread-safe] Valid until the release; rows without padding. */
GESSO_API const uint8_t* GESSO_CALL gesso_image_pixels(const gesso_image_t* image);
/* [thread-safe] A text by key ("gesso": the request; "seed"), or NULL. Valid until the release. */
GESSO_API const char* GESSO_CALL gesso_image_text(const gesso_image_t* image, const char* key);
GESSO_API void GESSO_CALL gesso_image_release(gesso_image_t* image); /* [instance & last] */

#ifdef __cplusplus
}
#endif
#endif /* GESSO_ENGINE_IMAGE_H */
