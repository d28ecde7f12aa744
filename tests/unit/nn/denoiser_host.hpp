// The Z-Image-Turbo denoiser in a host of its own, and the items of golden cases.
#pragma once

#include <doctest/doctest.h>

#include "gesso/kind/codec.h"
#include "gesso/kind/denoiser.h"
#include "gesso/kind/text_encoder.h"
#include "plugin_host.hpp"

namespace golden {

struct Item {
  gesso::Tensor latents, text;
  float timestep;
};

class Denoiser {
 public:
  explicit Denoiser(const Case& c, bool bf16 = false)
      : weights(c.weights("dit"), bf16),
        component("z_image_turbo", "org.gesso.z_image_turbo.denoiser") {
    gesso::ValueList values;
    add_config(values, c.config("dit"));
    component.prepare(values, &weights);
  }

  std::vector<std::vector<float>> run(const std::vector<Item>& items,
                                      const std::string& numerics = "precise",
                                      TestCall* call = nullptr,
                                      const std::vector<const gesso_injector*>& injectors = {}) {
    TestCall own;
    gesso::ValueList values;
    values.set_text("numerics", numerics);
    const auto inputs = inputs_of(items);
    const auto outputs =
        gesso::ModuleRef(component.get())
            .run(&(call ? call : &own)->raw, GESSO_OP_DENOISE, inputs, values, injectors);
    std::vector<std::vector<float>> found(items.size());
    for (const auto& output : outputs) {
      CHECK(output.port == GESSO_PORT_PREDICTION);
      found.at(output.index) = floats_of(output.tensor.dl());
    }
    CHECK(weights.entered_now() == 0);
    return found;
  }

  gesso_estimate_t estimate(const std::vector<Item>& items) {
    TestCall call;
    return gesso::ModuleRef(component.get())
        .estimate(&call.raw, GESSO_OP_DENOISE, inputs_of(items));
  }

  MemoryWeights weights;
  PluginComponent component;

 private:
  std::vector<gesso::Input> inputs_of(const std::vector<Item>& items) {
    std::vector<gesso::Input> inputs;
    std::vector<float> times;
    for (size_t i = 0; i < items.size(); ++i) {
      const auto index = static_cast<int32_t>(i);
      inputs.push_back({GESSO_PORT_LATENTS, index, items[i].latents.get()});
      inputs.push_back({GESSO_PORT_TEXT, index, items[i].text.get()});
      times.push_back(items[i].timestep);
    }
    times_ = float_tensor(times, {static_cast<int64_t>(times.size())});
    inputs.push_back({GESSO_PORT_TIMESTEP, -1, times_.get()});
    return inputs;
  }
  gesso::Tensor times_;
};

inline Item single(const Case& c) {
  return {tensor_of(c.inputs.at("latents"), true), tensor_of(c.inputs.at("prompt_embeds")),
          c.inputs.at("timestep").floats()[0]};
}

inline std::vector<Item> batch(const Case& c) {
  std::vector<Item> items;
  const auto times = c.inputs.at("timestep").floats();
  for (size_t i = 0; i < times.size(); ++i) {
    const std::string n = std::to_string(i);
    items.push_back({tensor_of(c.inputs.at("latents." + n), true),
                     tensor_of(c.inputs.at("prompt_embeds." + n)), times[i]});
  }
  return items;
}

inline std::vector<Item> one(Item item) {
  std::vector<Item> items;
  items.push_back(std::move(item));
  return items;
}

}  // namespace golden
