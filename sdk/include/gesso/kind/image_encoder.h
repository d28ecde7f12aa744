/* Kind "image_encoder", a module with the operation "encode".
 *
 *   input   pixels    PER_ITEM  3 H W  f32       in [-1, 1]; the encoder resizes and normalises
 *   output  features  PER_ITEM  ...    f32|bf16  a map [rows, columns, D], or one vector [D] */
#ifndef GESSO_KIND_IMAGE_ENCODER_H
#define GESSO_KIND_IMAGE_ENCODER_H
#define GESSO_PORT_FEATURES "features"
#endif /* GESSO_KIND_IMAGE_ENCODER_H */
