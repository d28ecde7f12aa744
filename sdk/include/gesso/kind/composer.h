/* Kind "composer", a module with the operation "compose": from the words of a request to the
 * conditioning of the denoiser. Holds templates; runs siblings through gesso.components/1.
 *
 *   values  prompt      TEXTS  one per item, UTF-8
 *           max_length  INT    tokens, template included; longer prompts are cut with a warning
 *           n_images    INT    condition images that the prompts speak of; 0 when absent
 *   output  text           PER_ITEM  L D
 *           token_ids      PER_ITEM, OPTIONAL  L  i64  what was encoded, for tests and for people
 *           text_segments  PER_ITEM, OPTIONAL  S  i64  rows of each segment, for denoisers that
 *                          place pictures between the segments of a text */
#ifndef GESSO_KIND_COMPOSER_H
#define GESSO_KIND_COMPOSER_H
#define GESSO_OP_COMPOSE "compose"
#endif /* GESSO_KIND_COMPOSER_H */
