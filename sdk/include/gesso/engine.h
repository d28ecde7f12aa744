/* Everything that an application needs to use Gesso in its own process. Link libgesso. */
#ifndef GESSO_ENGINE_H
#define GESSO_ENGINE_H

#include "engine/engine.h"
#include "engine/image.h"
#include "engine/job.h"
#include "engine/pipeline.h"

#endif /* GESSO_ENGINE_H */
