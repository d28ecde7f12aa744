#include "validate/stand_ins.hpp"

#include <cmath>
#include <cstring>

#include "gesso/cpp/module.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/image_encoder.h"
#include "gesso/kind/text_encoder.h"
#include "gesso/kind/tokenizer.h"

namespace gesso::validate {
namespace {

constexpr int64_t kChannels = 16, kCell = 8, kVocabulary = 256;

/// Numbers in [-1, 1] that follow from their place and a seed.
Tensor waves(const std::vector<int64_t>& shape, double seed) {
  Tensor tensor = Tensor::empty(kF32, shape);
  double place = seed;
  for (float& x : elements<float>(tensor.dl())) x = static_cast<float>(std::sin(place += 0.7));
  return tensor;
}

/// Ids are bytes.
struct ByteTokenizer {
  std::vector<int32_t> encode(std::string_view text) {
    std::vector<int32_t> ids;
    for (const char c : text) ids.push_back(static_cast<unsigned char>(c));
    return ids;
  }
  std::string decode(std::span<const int32_t> ids) {
    std::string text;
    for (const int32_t id : ids) text += static_cast<char>(id);
    return text;
  }
  std::optional<int32_t> token_id(std::string_view token) {
    return token.size() == 1 ? std::optional<int32_t>(static_cast<unsigned char>(token[0]))
                             : std::nullopt;
  }
  uint64_t vocab_size() { return kVocabulary; }
};

/// Each item gets the same, so that a batch gives what single runs give.
struct WaveModule {
  int64_t width = 8;

  void encode_text(const Call& call, const Inputs& inputs, Outputs& outputs) {
    int32_t index = 0;
    for (const gesso_tensor_t* ids : inputs.list(GESSO_PORT_TOKEN_IDS)) {
      call.poll();
      outputs.put(GESSO_PORT_TEXT, index++, waves({ids->dl_tensor.shape[0], width}, 1));
    }
  }
  void encode_image(const Call& call, const Inputs& inputs, Outputs& outputs) {
    const size_t count = inputs.list(GESSO_PORT_PIXELS).size();
    for (size_t i = 0; i < count; ++i) {
      call.poll();
      outputs.put(GESSO_PORT_FEATURES, static_cast<int32_t>(i), waves({width}, 2));
    }
  }
  void encode_latents(const Call& call, const Inputs& inputs, Outputs& outputs) {
    int32_t index = 0;
    for (const gesso_tensor_t* pixels : inputs.list(GESSO_PORT_PIXELS)) {
      call.poll();
      const int64_t* shape = pixels->dl_tensor.shape;
      outputs.put(GESSO_PORT_LATENTS, index++,
                  waves({kChannels, shape[1] / kCell, shape[2] / kCell}, 3));
    }
  }
};

const std::vector<Op<WaveModule>>& text_ops() {
  static const std::vector<Op<WaveModule>> list{
      {.name = GESSO_OP_ENCODE,
       .inputs = {{GESSO_PORT_TOKEN_IDS, "L", kPerItem, "i64"}},
       .outputs = {{GESSO_PORT_TEXT, "L D", kPerItem, "f32"}},
       .run = &WaveModule::encode_text}};
  return list;
}
const std::vector<Op<WaveModule>>& image_ops() {
  static const std::vector<Op<WaveModule>> list{
      {.name = GESSO_OP_ENCODE,
       .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
       .outputs = {{GESSO_PORT_FEATURES, "D", kPerItem, "f32"}},
       .run = &WaveModule::encode_image}};
  return list;
}
const std::vector<Op<WaveModule>>& codec_ops() {
  static const std::vector<Op<WaveModule>> list{
      {.name = GESSO_OP_ENCODE,
       .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
       .outputs = {{GESSO_PORT_LATENTS, "C h w", kPerItem, "f32"}},
       .run = &WaveModule::encode_latents}};
  return list;
}

/// ModuleInterface wants its list from a class.
template <const std::vector<Op<WaveModule>>& (*List)()>
struct Waves : WaveModule {
  static const std::vector<Op<Waves>>& ops() {
    static const std::vector<Op<Waves>> list = [] {
      std::vector<Op<Waves>> made;
      for (const Op<WaveModule>& op : List()) {
        made.push_back(
            {op.name, op.inputs, op.outputs,
             static_cast<void (Waves::*)(const Call&, const Inputs&, Outputs&)>(op.run)});
      }
      return made;
    }();
    return list;
  }
};

void GESSO_CALL geometry(void*, uint32_t* channels, uint32_t* pixels_per_cell) {
  *channels = kChannels;
  *pixels_per_cell = kCell;
}
const gesso_codec_t kCodec{sizeof(gesso_codec_t), 0, geometry, nullptr};

}  // namespace

class StandIn {
 public:
  StandIn(std::string id, std::string kind, int64_t width) : id_(std::move(id)), kind_(kind) {
    text_.width = image_.width = codec_.width = width;
    desc_.struct_size = sizeof desc_;
    desc_.id = id_.c_str();
    desc_.kind = kind_.c_str();
    component_ = {sizeof component_, 0, this, &desc_, prepare, get_interface, destroy};
    if (kind == "tokenizer") component_.self = &tokenizer_;
    if (kind == "text_encoder") component_.self = &text_;
    if (kind == "image_encoder") component_.self = &image_;
    if (kind == "codec") component_.self = &codec_;
    if (kind == "tokenizer") component_.get_interface = tokenizer_interface;
    if (kind == "text_encoder") component_.get_interface = module_interface<Waves<text_ops>>;
    if (kind == "image_encoder") component_.get_interface = module_interface<Waves<image_ops>>;
    if (kind == "codec") component_.get_interface = codec_interface;
  }
  gesso_component_t* component() { return &component_; }

 private:
  static gesso_status_t GESSO_CALL prepare(void*, const gesso_call_t*, const gesso_setup_t*) {
    return GESSO_STATUS_OK;
  }
  static const void* GESSO_CALL get_interface(void*, const char*) { return nullptr; }
  static const void* GESSO_CALL tokenizer_interface(void*, const char* id) {
    return id && std::strcmp(id, GESSO_TOKENIZER_ID) == 0
               ? TokenizerInterface<ByteTokenizer>::table()
               : nullptr;
  }
  template <class Module>
  static const void* GESSO_CALL module_interface(void*, const char* id) {
    return id && std::strcmp(id, GESSO_MODULE_ID) == 0 ? ModuleInterface<Module>::table() : nullptr;
  }
  static const void* GESSO_CALL codec_interface(void* self, const char* id) {
    if (id && std::strcmp(id, GESSO_CODEC_ID) == 0) return &kCodec;
    return module_interface<Waves<codec_ops>>(self, id);
  }
  static void GESSO_CALL destroy(void*) {}

  std::string id_, kind_;
  gesso_component_desc_t desc_{};
  gesso_component_t component_{};
  ByteTokenizer tokenizer_;
  Waves<text_ops> text_;
  Waves<image_ops> image_;
  Waves<codec_ops> codec_;
};

StandIns::StandIns(std::map<std::string, int64_t> features) : features_(std::move(features)) {}
StandIns::~StandIns() = default;

gesso_component_t* StandIns::find(const std::string& role) {
  for (const char* kind : {"tokenizer", "text_encoder", "image_encoder", "codec"}) {
    if (role.find(kind) == std::string::npos) continue;
    auto& made = made_[role];
    if (!made) {
      const auto width = features_.find(role);
      made = std::make_unique<StandIn>("org.gesso.stand_in." + role, kind,
                                       width == features_.end() ? 8 : width->second);
    }
    return made->component();
  }
  return nullptr;
}

}  // namespace gesso::validate
