// A host that swaps models, LoRAs and memory policies while it runs: one engine, one line of
// commands after another, no restart.
//
//   ./studio <<END
//   open emoji.toml
//   paint apple.png a red apple
//   lora style.safetensors 0.8
//   paint styled.png a red apple
//   scale style -0.5
//   drop style
//   policy stream
//   paint streamed.png a red apple
//   open other.toml
//   END
#include <gesso/cpp/engine.hpp>
#include <iostream>
#include <optional>
#include <sstream>

namespace {

class Studio {
 public:
  /// A pipeline file: another variant, other weights. What was open before is closed.
  void open(const std::string& path, const std::vector<std::string>& overrides = {}) {
    pipeline_.reset();  // first, so that memory never holds both
    pipeline_ = engine_.load(path, overrides);
    path_ = path;
  }
  /// Policies are chosen when a pipeline is loaded.
  void policy(const std::string& name) { open(path_, {"memory.policy=\"" + name + "\""}); }

  // Adapters come and go between two pictures; the weights stay as they are.
  void add_lora(const std::string& path, double scale) {
    gesso::ValueList values;
    values.set_real("scale", scale);
    pipeline().add_adapter(path, values);
  }
  void scale_lora(const std::string& name, double scale) {
    pipeline().set_adapter_scale(name, scale);
  }
  void drop_lora(const std::string& name) { pipeline().remove_adapter(name); }

  void paint(const std::string& path, const std::string& prompt) {
    gesso::ValueList values;
    values.set_text("prompt", prompt);
    auto job = pipeline().generate(values, [](const gesso_event_t& event) {
      if (event.type == GESSO_EVENT_WARNING) std::cerr << "warning: " << event.text << '\n';
    });
    while (const auto picture = job.next()) picture.save(path);
  }

 private:
  gesso::app::Pipeline& pipeline() {
    if (!pipeline_) throw gesso::Error(gesso::Status::BadState, "open a pipeline first");
    return *pipeline_;
  }

  gesso::app::Engine engine_;
  std::optional<gesso::app::Pipeline> pipeline_;
  std::string path_;
};

void obey(Studio& studio, const std::string& line) {
  std::istringstream words(line);
  std::string verb, what;
  double scale = 1;
  words >> verb >> what;
  if (verb == "open") {
    studio.open(what);
  } else if (verb == "policy") {
    studio.policy(what);
  } else if (verb == "lora") {
    words >> scale;
    studio.add_lora(what, words ? scale : 1);
  } else if (verb == "scale") {
    words >> scale;
    studio.scale_lora(what, scale);
  } else if (verb == "drop") {
    studio.drop_lora(what);
  } else if (verb == "paint") {
    std::string prompt;
    std::getline(words >> std::ws, prompt);
    studio.paint(what, prompt);
  } else {
    throw gesso::Error(gesso::Status::InvalidArgument, "unknown command \"" + verb + "\"");
  }
  std::cout << "done: " << line << std::endl;
}

}  // namespace

int main() {
  int failures = 0;
  try {
    Studio studio;
    for (std::string line; std::getline(std::cin, line);) {
      if (line.empty()) continue;
      try {
        obey(studio, line);
      } catch (const gesso::Error& error) {  // tell it, and go on
        ++failures;
        std::cout << "failed: " << line << ": " << error.what() << std::endl;
      }
    }
  } catch (const gesso::Error& error) {
    std::cerr << "studio: " << error.what() << '\n';
    return 1;
  }
  return failures ? 1 : 0;
}
