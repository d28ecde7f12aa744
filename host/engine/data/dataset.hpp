// Items to train on: rows of a metadata file with their pictures, or entries of a cache.
//
// The order is a function of seed and epoch alone, whatever the number of threads or workers, so a
// position of two numbers is enough to go on exactly where a run stopped.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "engine/config/train_plan.hpp"
#include "engine/image/image.hpp"
#include "engine/weights/weight_set.hpp"

namespace gesso::data {

/// What is told of an item without reading all of it.
struct Extent {
  int width = 0, height = 0;  // as it will be delivered
  size_t caption = 0;         // a measure of its length: tokens in a cache, else characters
  bool operator==(const Extent&) const = default;
};

/// One item, ready for the pipeline.
struct Item {
  size_t row = 0;      // in the dataset, from 0
  std::string where;   // "metadata.csv:12", for messages
  std::string prompt;  // "" when caption dropout hit it
  bool prompt_dropped = false;
  int width = 0, height = 0;  // of "image"
  /// RGB, cropped and resized, by column: "image", "edit_image", "controlnet_image". A column with
  /// a single picture has one.
  std::map<std::string, std::vector<image::Image>> images;
  nlohmann::json extra;  // all other columns by name; of a cache, what was stored
  /// Of a cache: the encoded inputs by name; null otherwise.
  std::shared_ptr<const weights::WeightSet> tensors;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual size_t size() const = 0;  // rows
  /// @throws Error  NotFound, BadData: the row cannot be read, with its place and its file
  virtual Extent extent(size_t row) const = 0;
  /// Thread-safe. @throws Error as above
  virtual Item load(size_t row) const = 0;
  virtual std::string where(size_t row) const = 0;
};

/// Reads the metadata (not the pictures) and checks its columns; or the index of a cache.
/// @throws Error  NotFound; BadData with file:line for a missing column, a broken row, no rows
std::shared_ptr<const Dataset> open_dataset(const config::DataPlan& plan);

/// The rows to train on and those held out, by `validation_split` and `seed`.
struct Split {
  std::vector<size_t> train, validation;
};
Split split(const Dataset& dataset, const config::DataPlan& plan);

/// Which of several workers this one is.
struct Worker {
  uint32_t rank = 0, count = 1;
};

/// How far a loader is: batches of this epoch that were taken. The same number for all workers.
struct Position {
  uint64_t epoch = 0, batch = 0;
  bool operator==(const Position&) const = default;
};

struct Batch {
  std::vector<Item> items;  // of one size; empty if all of its items failed and were skipped
  size_t global_items = 0;  // of this batch over all workers, as planned
  Position position;        // of the batch itself
  bool ends_epoch = false;
};

/// An item that was left out (`on_error = "skip"`).
struct Failure {
  std::string where, text;
};

/// Batches in order, read ahead by threads.
///
/// Workers share each planned batch of batch_size * count items: two workers with batches of one
/// see the items that one worker with batches of two sees. An epoch is each row `repeat` times.
/// Items of a batch have the same size; sizes with fewer items than a batch make smaller batches.
class Loader {
 public:
  /// @param rows  of `dataset`, such as Split::train
  /// @throws Error  from reading sizes, with batch_size * count above 1
  Loader(std::shared_ptr<const Dataset> dataset, std::vector<size_t> rows,
         const config::DataPlan& plan, Worker worker = {}, Position start = {});
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;

  uint64_t batches_per_epoch() const;  // of one worker
  /// The next batch, waiting for it. Epochs follow one another without end.
  /// @throws Error  as Dataset::load, in the order of items (`on_error = "stop"`); BadData when
  ///                every item of an epoch failed
  Batch next();
  /// Of the batch that `next` will give; what a checkpoint keeps.
  Position position() const;
  /// Items left out so far, each named once.
  std::vector<Failure> failures() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace gesso::data
