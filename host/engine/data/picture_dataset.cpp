#include "engine/data/picture_dataset.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "engine/base/json_text.hpp"
#include "engine/base/suggest.hpp"
#include "engine/image/image_io.hpp"
#include "engine/image/image_resize.hpp"
#include "engine/image/image_size.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::data {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kImage = "image";
constexpr const char* kPrompt = "prompt";
constexpr const char* kTemplateInputs = "template_inputs";
constexpr size_t kNamedFiles = 10;  // of those missing, in one message

[[noreturn]] void bad(const std::string& where, const std::string& text) {
  throw Error(Status::BadData, where + ": " + text);
}

bool is_url(const std::string& path) {
  return path.starts_with("http://") || path.starts_with("https://");
}

bool is_film(const fs::path& path) {
  static const std::set<std::string> kFilms = {".mp4", ".avi", ".mov",  ".wmv",
                                               ".mkv", ".flv", ".webm", ".gif"};
  return kFilms.contains(path.extension().string());
}

std::vector<std::string> columns_of(const json& values) {
  std::vector<std::string> names;
  for (const auto& [key, value] : values.items()) names.push_back(key);
  return names;
}

/// Characters, not bytes.
size_t length_of(const std::string& text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

PictureDataset::PictureDataset(const config::DataPlan& plan) : plan_(plan) {
  std::vector<std::string> texts = plan.file_keys;
  texts.push_back(kPrompt);
  for (Row& row : read_metadata(plan.metadata_path, texts)) rows_.push_back(read(std::move(row)));
  if (plan.on_error == config::OnError::Stop) check_files();
}

/// Splits the columns of a row into caption, pictures and the rest.
PictureDataset::Entry PictureDataset::read(Row row) const {
  const auto need = [&](const std::string& key, const char* what) {
    if (row.values.contains(key) && !row.values[key].is_null()) return;
    const std::vector<std::string> columns = columns_of(row.values);
    const std::string advice = base::did_you_mean(key, columns);
    bad(row.where, fmt::format("there is no \"{}\", {}{}; the columns are {}", key, what, advice,
                               fmt::join(columns, ", ")));
  };
  need(kImage, "the picture to learn");
  need(kPrompt, "its caption");
  for (const std::string& key : plan_.extra_inputs) need(key, "which extra_inputs asks for");
  if (!row.values[kPrompt].is_string()) {
    bad(row.where, fmt::format("prompt: expected a text, found {}", row.values[kPrompt].dump()));
  }

  Entry entry{row.where, row.values[kPrompt], {}, json::object()};
  for (const auto& [key, value] : row.values.items()) {
    if (key == kPrompt) continue;
    const bool files =
        key == kImage || std::ranges::find(plan_.file_keys, key) != plan_.file_keys.end();
    if (!files) {
      entry.extra[key] = value;
    } else if (!value.is_null() && value != "") {
      entry.files[key] = read_files(row.where, key, value);
    }
  }
  if (!entry.files.contains(kImage)) bad(row.where, "image: the cell is empty");
  if (entry.files[kImage].size() != 1) {
    bad(row.where,
        fmt::format("image: expected one picture, found {}", entry.files[kImage].size()));
  }
  read_template_inputs(entry);
  return entry;
}

std::vector<fs::path> PictureDataset::read_files(const std::string& where, const std::string& key,
                                                 const json& value) const {
  json list = value;
  // CSV has no lists; a cell that is one in JSON stands for it.
  if (value.is_string() && value.get<std::string>().starts_with('[')) {
    list = base::parse_json(value.get<std::string>());
    if (!list.is_array()) list = value;
  }
  if (!list.is_array()) list = json::array({list});
  std::vector<fs::path> files;
  for (const json& item : list) {
    if (!item.is_string()) {
      bad(where, fmt::format("{}: expected the path of a picture or a list of them, found {}", key,
                             item.dump()));
    }
    const std::string path = item;
    if (is_url(path)) {
      bad(where, fmt::format("{}: {} is an address on the network, which training does not read; "
                             "download the pictures first and name the files",
                             key, path));
    }
    if (is_film(path)) {
      bad(where, fmt::format("{}: {} is a film; expected a picture (PNG, JPEG, WebP)", key, path));
    }
    files.push_back((plan_.base_path / path).lexically_normal());
  }
  return files;
}

/// "template_inputs": {"image": file or list of files} is what image-to-LoRA training reads.
void PictureDataset::read_template_inputs(Entry& entry) const {
  if (!entry.extra.contains(kTemplateInputs)) return;
  const json& inputs = entry.extra[kTemplateInputs];
  const json& first = inputs.is_array() && !inputs.empty() ? inputs[0] : inputs;
  if (!first.is_object() || !first.contains(kImage)) {
    bad(entry.where,
        fmt::format("template_inputs: expected {{\"image\": ...}}, found {}", inputs.dump()));
  }
  entry.files[kTemplateInputs] = read_files(entry.where, "template_inputs.image", first[kImage]);
}

void PictureDataset::check_files() const {
  std::vector<std::string> missing;
  for (const Entry& entry : rows_) {
    for (const auto& [key, files] : entry.files) {
      for (const fs::path& file : files) {
        if (fs::is_regular_file(file)) continue;
        missing.push_back(
            fmt::format("{}: {}: there is no file {}", entry.where, key, file.string()));
      }
    }
  }
  if (missing.empty()) return;
  const size_t count = missing.size();
  if (count > kNamedFiles) {
    missing.resize(kNamedFiles);
    missing.push_back(fmt::format("and {} more", count - kNamedFiles));
  }
  throw Error(Status::NotFound,
              fmt::format("{}\n{} of the dataset's files are missing; is dataset_base_path right? "
                          "on_error = \"skip\" trains without their items",
                          fmt::join(missing, "\n"), count));
}

image::Size PictureDataset::target(image::Size size) const {
  if (plan_.height && plan_.width) {
    return {static_cast<int>(*plan_.width), static_cast<int>(*plan_.height)};
  }
  const int multiple = static_cast<int>(plan_.size_multiple);
  return image::limited_size(size, plan_.max_pixels, multiple, multiple);
}

Extent PictureDataset::extent(size_t row) const {
  const Entry& entry = rows_.at(row);
  try {
    const image::Size size = target(image::size_of(entry.files.at(kImage).front()));
    return {size.width, size.height, length_of(entry.prompt)};
  } catch (const Error& error) {
    throw Error(error.status(), entry.where + ": " + error.what());
  }
}

Item PictureDataset::load(size_t row) const {
  const Entry& entry = rows_.at(row);
  Item item;
  item.row = row;
  item.where = entry.where;
  item.prompt = entry.prompt;
  item.extra = entry.extra;
  try {
    for (const auto& [key, files] : entry.files) {
      for (const fs::path& file : files) {
        image::Image picture = image::load(file);
        picture.text.clear();
        const bool whole = key == kTemplateInputs;  // its encoders have sizes of their own
        const image::Size size{picture.width, picture.height};
        item.images[key].push_back(whole ? std::move(picture)
                                         : image::crop_and_resize(picture, target(size)));
      }
    }
    const image::Image& picture = item.images.at(kImage).front();
    item.width = picture.width;
    item.height = picture.height;
    for (const auto& [key, pictures] : item.images) {
      const image::Image& other = pictures.front();
      if (!key.starts_with("controlnet_") ||
          (other.width == item.width && other.height == item.height))
        continue;
      throw Error(
          Status::BadData,
          fmt::format("{}: {}x{} pixels after resizing, but the picture has {}x{}; a control "
                      "has the size of its picture",
                      key, other.width, other.height, item.width, item.height));
    }
  } catch (const Error& error) {
    throw Error(error.status(), entry.where + ": " + error.what());
  }
  return item;
}

}  // namespace gesso::data
