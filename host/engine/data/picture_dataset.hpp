// Items from a metadata file and the picture files that it names.
#pragma once

#include <map>

#include "engine/data/dataset.hpp"
#include "engine/data/metadata.hpp"
#include "engine/image/image_resize.hpp"

namespace gesso::data {

class PictureDataset : public Dataset {
 public:
  /// @throws Error  as `open_dataset`
  explicit PictureDataset(const config::DataPlan& plan);

  size_t size() const override { return rows_.size(); }
  Extent extent(size_t row) const override;
  Item load(size_t row) const override;
  std::string where(size_t row) const override { return rows_.at(row).where; }

 private:
  /// The files of a row by column; `list` where the column holds several.
  struct Entry {
    std::string where, prompt;
    std::map<std::string, std::vector<std::filesystem::path>> files;
    nlohmann::json extra;
  };
  Entry read(Row row) const;
  std::vector<std::filesystem::path> read_files(const std::string& where, const std::string& key,
                                                const nlohmann::json& value) const;
  void read_template_inputs(Entry& entry) const;
  void check_files() const;
  image::Size target(image::Size size) const;

  config::DataPlan plan_;
  std::vector<Entry> rows_;
};

}  // namespace gesso::data
