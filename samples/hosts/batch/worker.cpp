// A batch worker: requests as JSON lines on stdin, answers as JSON lines on stdout, in order.
//
//   ./worker emoji.toml <<END
//   {"prompt": "a red apple", "seed": 7, "out": "apple.png"}
//   {"prompt": "a rocket", "out": "rocket-{n}.png", "num_images": 2}
//   END
//
// Keys are those of [generate]; "out" is a path, whose "{n}" becomes the number of the picture, and
// "id" comes back with the answer. A bad line is answered by an error and the next one is read:
// queues do not end because of one request.
#include <gesso/cpp/engine.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

namespace {

using nlohmann::json;

gesso::ValueList values_of(const json& request) {
  gesso::ValueList values;
  for (const auto& [key, value] : request.items()) {
    if (key == "out" || key == "id") continue;
    if (value.is_boolean()) {
      values.set_boolean(key, value);
    } else if (value.is_number_integer()) {
      values.set_integer(key, value);
    } else if (value.is_number()) {
      values.set_real(key, value);
    } else if (value.is_string()) {
      values.set_text(key, value);
    } else if (value.is_array()) {
      values.set_texts(key, value);
    } else {
      throw gesso::Error(gesso::Status::InvalidArgument,
                         key + ": expected a number, a text, true, false or a list of texts");
    }
  }
  return values;
}

std::string numbered(std::string path, int n) {
  const auto place = path.find("{n}");
  return place == std::string::npos ? path : path.replace(place, 3, std::to_string(n));
}

json work(gesso::app::Pipeline& pipeline, const json& request) {
  if (!request.contains("out")) {
    throw gesso::Error(gesso::Status::InvalidArgument, "out: expected a path, found nothing");
  }
  json files = json::array();
  auto job = pipeline.generate(values_of(request));
  while (const auto picture = job.next()) {
    files.push_back(numbered(request["out"], static_cast<int>(files.size()) + 1));
    picture.save(files.back());
  }
  return {{"files", files}};
}

json answer(gesso::app::Pipeline& pipeline, const std::string& line) {
  json id;
  try {
    const json request = json::parse(line);
    if (!request.is_object()) {
      throw gesso::Error(gesso::Status::InvalidArgument, "expected an object");
    }
    id = request.value("id", json());
    json done = work(pipeline, request);
    done["id"] = id;
    return done;
  } catch (const std::exception& error) {  // of Gesso or of the JSON library
    return {{"id", id}, {"error", error.what()}};
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: worker PIPELINE.toml < REQUESTS.jsonl\n";
    return 2;
  }
  try {
    gesso::app::Engine engine;
    // Requests say where their pictures go; what the pipeline file says of it is not used here.
    gesso::app::Pipeline pipeline = engine.load(argv[1], {"output.path=\"{index}.png\""});
    for (std::string line; std::getline(std::cin, line);) {
      if (!line.empty()) std::cout << answer(pipeline, line).dump() << std::endl;
    }
    return 0;
  } catch (const gesso::Error& error) {
    std::cerr << "worker: " << error.what() << '\n';
    return 1;
  }
}
