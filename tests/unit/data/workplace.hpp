// A folder with metadata and pictures, and what reading it says.
#pragma once

#include <doctest/doctest.h>

#include <fstream>
#include <string>

#include "engine/data/dataset.hpp"
#include "engine/image/image_io.hpp"
#include "gesso/cpp/error.hpp"
#include "temporary_folder.hpp"

namespace gesso::test {

struct Workplace {
  TemporaryFolder folder;
  config::DataPlan plan;

  Workplace() {
    plan.base_path = folder.path;
    plan.file_keys = {"image", "video"};
  }
  std::filesystem::path operator/(const std::string& name) const { return folder.path / name; }

  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder.path / name, std::ios::binary) << text;
  }
  void metadata(const std::string& name, const std::string& text) {
    write(name, text);
    plan.metadata_path = folder.path / name;
  }
  void picture(const std::string& name, int width = 32, int height = 32, uint8_t fill = 128) const {
    image::save(image::Image(width, height, 3, fill), folder.path / name);
  }
  /// The text with the folder's path taken out.
  std::string told(const std::string& text) const {
    std::string result = text;
    const std::string path = folder.path.string() + "/";
    for (size_t at = result.find(path); at != std::string::npos; at = result.find(path)) {
      result.erase(at, path.size());
    }
    return result;
  }
  /// What `work` throws; "" when nothing.
  template <class Work>
  std::string problem(Work work) const {
    try {
      work();
    } catch (const Error& error) {
      return told(error.what());
    }
    return {};
  }
};

}  // namespace gesso::test
