/* Kind "text_encoder", a module with the operation "encode".
 *
 *   input   token_ids   PER_ITEM  L    i64       ids of one prompt, without padding
 *   output  text        PER_ITEM  L D  f32|bf16  features of the same tokens
 *
 * Setup values: `rope_inv_freq` (TEXT "f32" or "bf16", where it has rotary positions). */
#ifndef GESSO_KIND_TEXT_ENCODER_H
#define GESSO_KIND_TEXT_ENCODER_H
#define GESSO_OP_ENCODE "encode"
#define GESSO_PORT_TOKEN_IDS "token_ids"
#define GESSO_PORT_TEXT "text"
#endif /* GESSO_KIND_TEXT_ENCODER_H */
