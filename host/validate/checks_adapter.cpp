// "gesso.delta-source/1" and "gesso.delta-generator/1".
#include <cmath>
#include <set>

#include "engine/weights/convert.hpp"
#include "engine/weights/weight_set.hpp"
#include "gesso/kind/delta_generator.h"
#include "validate/each_operation.hpp"

namespace gesso::validate {
namespace {

/// A file of an adapter, as tensors with names; and targets that fit it.
struct File {
  std::vector<std::string> names;
  std::vector<LentTensor> tensors;
  std::vector<gesso_named_tensor_t> list;
  std::vector<std::string> target_names;
  std::vector<gesso_target_t> targets;

  void add(const std::string& name, std::vector<int64_t> shape) {
    names.push_back(name);
    LentTensor& tensor = tensors.emplace_back(kF32, std::move(shape), Layout::Plain);
    for (size_t i = 0; i < tensor.size(); ++i)
      tensor.set(i, 0.01 * static_cast<double>(i % 7) + 0.5);
  }
  void target(const std::string& name, int64_t out, int64_t in) {
    target_names.push_back(name);
    targets.push_back({nullptr, out, in});
  }
  void finish() {
    for (size_t i = 0; i < names.size(); ++i) list.push_back({names[i].c_str(), tensors[i].get()});
    for (size_t i = 0; i < targets.size(); ++i) targets[i].name = target_names[i].c_str();
  }
};

constexpr int64_t kOut = 6, kIn = 5, kRank = 2;

/// The sample's file, or a LoRA of one weight in the most common dialect. `more`: a key that fits
/// nothing; `broken`: shapes that do not fit.
std::unique_ptr<File> file_of(Context& c, bool more = false, bool broken = false) {
  auto file = std::make_unique<File>();
  if (!c.sample().adapter.empty()) {
    const auto set = weights::WeightSet::open(c.sample().adapter);
    for (const weights::TensorInfo& info : set.tensors()) {
      auto shape = info.shape;
      if (broken && shape.size() == 2) shape[0] += 3, shape[1] += 3;
      file->add(info.name, shape);
      const auto values = weights::float_values(set.view(info), 1);
      const auto* numbers = reinterpret_cast<const float*>(values.bytes.data());
      if (!broken)
        for (size_t i = 0; i < file->tensors.back().size(); ++i)
          file->tensors.back().set(i, numbers[i]);
    }
    for (const auto& [name, extent] : c.sample().sizes) {  // "blocks.0.to_q" = out * 65536 + in
      file->target(name, extent / 65536, extent % 65536);
    }
  } else {
    file->add("blocks.0.to_q.lora_A.weight", {kRank, kIn});
    file->add("blocks.0.to_q.lora_B.weight", {kOut, broken ? kRank + 1 : kRank});
    file->target("blocks.0.to_q", kOut, kIn);
  }
  if (more) file->add("blocks.99.nowhere.lora_A.weight", {kRank, kIn});
  file->finish();
  return file;
}

/// What a source says of an update.
struct Update {
  gesso_status_t status = GESSO_STATUS_OK;
  uint32_t target = 0;
  std::string name;
  gesso_delta_t delta{};
};

/// An open set of updates.
struct Open {
  Open(Context& c, File& given) : subject(c.ready()), file(given) {
    table = subject->find<gesso_delta_source_t>(GESSO_DELTA_SOURCE_ID);
    if (!table || !table->open || !table->get || !table->close) {
      fail("its table lacks open, get or close");
    }
    ErrorText error;
    Trial trial;
    status = table->open(subject->self(), trial.get(), file.list.data(), file.list.size(),
                         file.targets.data(), file.targets.size(), &set, &count, &error.error);
    text = error.error.length ? error.text() : "";
  }
  ~Open() {
    if (status == GESSO_STATUS_OK) table->close(subject->self(), set);
  }
  /// @param unwritten  the target before the source writes it
  Update get(uint64_t index, uint32_t unwritten = 0) {
    Update update;
    update.target = unwritten;
    ErrorText error;
    const char* name = nullptr;
    update.status =
        table->get(subject->self(), set, index, &update.target, &name, &update.delta, &error.error);
    update.name = name ? name : "";
    return update;
  }
  std::unique_ptr<Subject> subject;
  File& file;
  const gesso_delta_source_t* table = nullptr;
  void* set = nullptr;
  uint64_t count = 0;
  gesso_status_t status = GESSO_STATUS_OK;
  std::string text;
};

void opens(Context& c) {
  const auto file = file_of(c);
  Open open(c, *file);
  expect(open.status == GESSO_STATUS_OK, "a file that fits failed with status {}: {}", open.status,
         open.text);
  bool matched = false;
  for (uint64_t i = 0; i < open.count; ++i) {
    const Update update = open.get(i, GESSO_TARGET_NONE);
    expect(update.status == GESSO_STATUS_OK, "get({}) of {} failed with status {}", i, open.count,
           update.status);
    matched |= update.target != GESSO_TARGET_NONE;
  }
  expect(matched, "no update matched a target");
}

void good(const Open& open) {
  if (open.status != GESSO_STATUS_OK) skip("it does not open the file (see delta_source.opens)");
}

void targets_in_range(Context& c) {
  const auto file = file_of(c);
  Open open(c, *file);
  good(open);
  for (uint64_t i = 0; i < open.count; ++i) {
    const uint32_t target = open.get(i).target;
    expect(target == GESSO_TARGET_NONE || target < file->targets.size(),
           "update {} is of target {}; there are {}", i, target, file->targets.size());
  }
}

void parts(Context& c) {
  const auto file = file_of(c);
  Open open(c, *file);
  good(open);
  for (uint64_t i = 0; i < open.count; ++i) {
    const auto [status, target, name, delta] = open.get(i);
    if (target >= file->targets.size()) continue;
    expect(delta.form && *delta.form, "update {} has no form", i);
    expect(std::isfinite(delta.scale), "update {} has the scale {}", i, delta.scale);
    if (std::string(delta.form) != GESSO_DELTA_LOW_RANK) continue;
    expect(delta.n_parts == 2 && delta.parts && delta.parts[0] && delta.parts[1],
           "update {} of low rank has {} parts", i, delta.n_parts);
    const DLTensor &a = delta.parts[0]->dl_tensor, &b = delta.parts[1]->dl_tensor;
    const gesso_target_t& t = file->targets[target];
    const bool fits = a.ndim == 2 && b.ndim == 2 && a.shape[1] == t.in_features &&
                      b.shape[0] == t.out_features && a.shape[0] == b.shape[1];
    expect(fits, "update {}: A {}, B {} for a weight [{}, {}]", i, shape_text(shape_of(a)),
           shape_text(shape_of(b)), t.out_features, t.in_features);
  }
}

void accounts(Context& c) {
  const auto file = file_of(c, true);
  Open open(c, *file);
  if (open.status != GESSO_STATUS_OK) {
    expect(!open.text.empty(), "a key that fits nothing was refused without a text");
    return;
  }
  bool told = false;
  for (uint64_t i = 0; i < open.count; ++i) {
    const Update update = open.get(i);
    told |= update.target == GESSO_TARGET_NONE && update.name.find("nowhere") != std::string::npos;
  }
  expect(told, "the key \"blocks.99.nowhere.lora_A.weight\", which fits nothing, was not told");
}

void wrong_shapes(Context& c) {
  const auto file = file_of(c, false, true);
  Open open(c, *file);
  expect(open.status != GESSO_STATUS_OK, "parts that do not fit their target were accepted");
  expect(!open.text.empty(), "parts that do not fit were refused without a text");
}

void empty_file(Context& c) {
  File file;
  Open open(c, file);
  expect(open.status != GESSO_STATUS_OK || open.count == 0, "an empty file has {} updates",
         open.count);
  expect(open.status == GESSO_STATUS_OK || !open.text.empty(),
         "an empty file was refused without a text");
}

void beyond(Context& c) {
  const auto file = file_of(c);
  Open open(c, *file);
  good(open);
  expect(open.get(open.count + 5).status != GESSO_STATUS_OK, "update {} of {} was given",
         open.count + 5, open.count);
}

std::pair<const gesso_target_t*, uint64_t> targets(Subject& subject) {
  const auto* table = subject.find<gesso_delta_generator_t>(GESSO_DELTA_GENERATOR_ID);
  if (!table || !table->targets) fail("targets is NULL");
  ErrorText error;
  const gesso_target_t* list = nullptr;
  uint64_t count = 0;
  const auto status = table->targets(subject.self(), &list, &count, &error.error);
  if (status != GESSO_STATUS_OK) fail("targets failed with status {}: {}", status, error.text());
  return {list, count};
}

void generator_targets(Context& c) {
  const auto subject = c.ready();
  const auto [list, count] = targets(*subject);
  expect(list && count > 0, "it has no targets");
  std::set<std::string> names;
  for (uint64_t i = 0; i < count; ++i) {
    expect(list[i].name && *list[i].name, "target {} has no name", i);
    expect(list[i].out_features > 0 && list[i].in_features > 0, "target {} is [{}, {}]",
           list[i].name, list[i].out_features, list[i].in_features);
    expect(names.insert(list[i].name).second, "two targets are called {}", list[i].name);
  }
  expect(targets(*subject).first == list, "the list of targets is another one the next time");
}

void generator_pairs(Context& c) {
  const auto subject = c.ready();
  const auto [list, count] = targets(*subject);
  Operation operation(*subject,
                      {"delta_generator", GESSO_OP_GENERATE, "features", "", "a b", false});
  const Outcome outcome = good_run(operation);
  std::vector<const DLTensor*> a(count), b(count);
  for (const Made& made : outcome.made) {
    const std::string port = operation.description().outputs[made.port]->name;
    expect(made.index >= 0 && static_cast<uint64_t>(made.index) < count,
           "\"{}\": index {} of {} targets", port, made.index, count);
    (port == GESSO_PORT_A ? a : b)[static_cast<size_t>(made.index)] = &made.tensor.dl();
  }
  for (uint64_t i = 0; i < count; ++i) {
    expect(a[i] && b[i], "target {} got no A or no B", list[i].name);
    const bool fits = a[i]->shape[1] == list[i].in_features &&
                      b[i]->shape[0] == list[i].out_features && a[i]->shape[0] == b[i]->shape[1];
    expect(fits, "target {} [{}, {}]: A {}, B {}", list[i].name, list[i].out_features,
           list[i].in_features, shape_text(shape_of(*a[i])), shape_text(shape_of(*b[i])));
  }
}

constexpr const char* kSource = GESSO_DELTA_SOURCE_ID;
constexpr const char* kGenerator = GESSO_DELTA_GENERATOR_ID;

constexpr Check kChecks[] = {
    {"delta_source.opens", "", Needs::Ready, kSource, "a file that fits becomes updates",
     "Match keys with targets; give every one of `count` updates.", opens},
    {"delta_source.targets", "R4", Needs::Ready, kSource, "updates are of targets that there are",
     "Give the place in the list of targets, or GESSO_TARGET_NONE.", targets_in_range},
    {"delta_source.parts", "", Needs::Ready, kSource, "parts of low rank fit their target",
     "A is [rank, in], B is [out, rank]; scale is alpha / rank.", parts},
    {"delta_source.accounts", "R7", Needs::Ready, kSource, "a key that fits nothing is told",
     "Give it once with GESSO_TARGET_NONE and its name.", accounts},
    {"delta_source.wrong_shapes", "R7", Needs::Ready, kSource, "parts that do not fit are refused",
     "Compare shapes in open; name key, found and expected.", wrong_shapes},
    {"delta_source.empty", "R7", Needs::Ready, kSource, "an empty file is empty or refused",
     "Give count 0, or BAD_DATA and a text.", empty_file},
    {"delta_source.beyond", "R7", Needs::Ready, kSource, "an update that is not there is refused",
     "Compare the index with count.", beyond},
    {"delta_generator.targets", "R4", Needs::Ready, kGenerator,
     "tells its targets, always the same", "Keep the list as long as the component lives.",
     generator_targets},
    {"delta_generator.pairs", "", Needs::Ready, kGenerator, "gives A and B for each target",
     "The index of a result is the place of its target.", generator_pairs},
};

}  // namespace

std::span<const Check> adapter_checks() { return kChecks; }

}  // namespace gesso::validate
