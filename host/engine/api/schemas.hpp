// The files of schemas/, built in.
#pragma once

namespace gesso::api {

extern const char* const kManifestSchema;
extern const char* const kVariantSchema;

}  // namespace gesso::api
