/* What a codec offers beside kind/codec.h when it can be trained: a third operation, "posterior",
 * the encoder's whole answer. It and "decode" are then operations of "gesso.training/1".
 *
 *   posterior  input   pixels        PER_ITEM  3 H W  f32|bf16  in [-1, 1]
 *              output  latents       PER_ITEM  C h w  f32       mean, scaled and shifted
 *              output  log_variance  PER_ITEM  C h w  f32       of the same, scaled latents */
#ifndef GESSO_EXT_CODEC_TRAINING_H
#define GESSO_EXT_CODEC_TRAINING_H

#include "../kind/codec.h"
#include "training.h"

#define GESSO_OP_POSTERIOR "posterior"
#define GESSO_PORT_LOG_VARIANCE "log_variance"

#endif /* GESSO_EXT_CODEC_TRAINING_H */
