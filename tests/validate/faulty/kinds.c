/* What is in this library. */
#include "faulty.h"

#ifdef FAULTY_MODELS
const faulty_kind_t* const faulty_kinds[] = {
    &faulty_denoiser,   &faulty_text_encoder, &faulty_codec, &faulty_composer,
    &faulty_controller, &faulty_generator,    NULL};
#else
const faulty_kind_t* const faulty_kinds[] = {&faulty_scheduler, &faulty_tokenizer,
                                             &faulty_policy,    &faulty_preprocessor,
                                             &faulty_source,    NULL};
#endif
