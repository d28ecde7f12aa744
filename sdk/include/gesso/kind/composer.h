/* Kind "composer", a module with the operation "compose": from the words of a request to the
 * conditioning of the denoiser. Holds templates; runs siblings through gesso.components/1.
 *
 *   values  prompt     TEXTS  one per item, UTF-8
 *           max_length INT    tokens, template included; longer prompts are cut with a warning
 *   output  text       PER_ITEM  L D
 *           token_ids  PER_ITEM  L  i64  what was encoded, for tests and for people */
#ifndef GESSO_KIND_COMPOSER_H
#define GESSO_KIND_COMPOSER_H
#define GESSO_OP_COMPOSE "compose"
#endif /* GESSO_KIND_COMPOSER_H */
