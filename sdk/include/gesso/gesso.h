/* Everything stable that a plugin needs. Drafts (ext/draft/) are included one by one. */
#ifndef GESSO_H
#define GESSO_H

#include "abi.h"
#include "ext/codec_training.h"
#include "ext/control_training.h"
#include "ext/delta_training.h"
#include "ext/initial_weights.h"
#include "ext/injection.h"
#include "ext/training.h"
#include "host.h"
#include "kind/codec.h"
#include "kind/composer.h"
#include "kind/controller.h"
#include "kind/delta_generator.h"
#include "kind/delta_source.h"
#include "kind/denoiser.h"
#include "kind/image_encoder.h"
#include "kind/memory_policy.h"
#include "kind/preprocessor.h"
#include "kind/scheduler.h"
#include "kind/text_encoder.h"
#include "kind/tokenizer.h"
#include "module.h"
#include "plugin.h"
#include "service/components.h"
#include "service/random.h"
#include "service/weights.h"
#include "status.h"
#include "tensor.h"
#include "value.h"

#endif /* GESSO_H */
