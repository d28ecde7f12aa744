#include "runtime/training/trainer.hpp"

#include <ATen/ops/zeros.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/config/adapters.hpp"
#include "engine/data/order.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/text_encoder.h"
#include "runtime/delta_reader.hpp"
#include "runtime/image2lora.hpp"
#include "runtime/sampling.hpp"
#include "runtime/training/lora_targets.hpp"
#include "runtime/training/reconstruction.hpp"
#include "runtime/training/tensor_files.hpp"

namespace gesso::runtime {
namespace {

constexpr uint32_t kLevels = 1000;  // of flow matching, as the reference
constexpr const char* kDenoiser = "denoiser";
constexpr const char* kControlNet = "controlnet";
constexpr const char* kCodec = "codec";
constexpr const char* kTextEncoder = "text_encoder";

/// Streams of random numbers, all from one seed.
enum Stream : uint64_t { kNoise = 0x5eed1, kLevel = 0x5eed2, kLora = 0x5eed3, kHeldOut = 0x5eed4 };

uint64_t draw(uint64_t seed, Stream stream, uint64_t place) {
  return data::mixed(seed ^ stream, place);
}

int32_t checkpoint_level(config::TrainPlan::Checkpointing checkpointing) {
  using Level = config::TrainPlan::Checkpointing;
  return checkpointing == Level::None     ? int32_t{GESSO_CHECKPOINT_NONE}
         : checkpointing == Level::Blocks ? int32_t{GESSO_CHECKPOINT_BLOCKS}
                                          : int32_t{GESSO_CHECKPOINT_BLOCKS_OFFLOADED};
}

Event info(const std::string& text) {
  Event event;
  event.type = Event::Info;
  event.text = text;
  return event;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

/// What a continued run must agree in with the one that it continues.
std::string fingerprint_of(const config::TrainPlan& plan, size_t rows, uint32_t workers) {
  return fmt::format("seed {}, {} rows, batches of {} over all workers, repeat {}, accumulation {}",
                     plan.seed, rows, plan.data.batch_size * workers, plan.data.repeat,
                     plan.gradient_accumulation_steps);
}

}  // namespace

Trainer::Trainer(const config::TrainPlan& plan, const Run& run, TrainReport& report,
                 Workers& workers, Paint paint)
    : plan_(plan),
      run_(run),
      report_(report),
      workers_(workers),
      paint_(std::move(paint)),
      checkpoint_(checkpoint_level(plan.checkpointing)),
      draw_type_(run.as_reference() ? at::kBFloat16 : at::kFloat),
      dataset_(data::open_dataset(plan.data)),
      split_(data::split(*dataset_, plan.data)) {}

Trainer::~Trainer() = default;

Parameters* Trainer::parameters_of(const std::string& role) const {
  for (const auto& set : sets_) {
    if (set->instance().role() == role) return set.get();
  }
  return nullptr;
}

void Trainer::choose_parameters() {
  add_preset();
  for (const config::TrainablePart& part : plan_.trainable) train_component(part);
  if (plan_.lora) train_lora();
  for (const auto& set : sets_) set->show(true);
  if (sets_.empty()) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: nothing is trained; name trainable_models or lora_base_model",
                            plan_.name));
  }
  if (!plan_.resume_weights.empty()) start_from_checkpoint();
  if (parameters_of(kGeneratorRole)) {
    generated_ = std::make_unique<GeneratedUpdates>(run_.parts.get(kGeneratorRole),
                                                    run_.parts.get(kDenoiser));
  }
  optimization_ = std::make_unique<Optimization>(workers_, sets_, plan_);
  run_.watch.event(info(fmt::format("{} parameters in {} tensors are trained", count_parameters(),
                                    optimization_->parameters().size())));
}

int64_t Trainer::count_parameters() const {
  int64_t count = 0;
  for (const Parameter* parameter : optimization_->parameters()) count += parameter->value.numel();
  return count;
}

void Trainer::train_component(const config::TrainablePart& part) {
  auto set = std::make_unique<Parameters>(run_.parts.get(part.role));
  const auto& all = set->instance().weights()->trainable();
  const std::string prefix = part.part.empty() ? "" : part.part + ".";
  // The whole of a component may itself be the part that the reference names.
  const bool has_part = std::any_of(all.begin(), all.end(), [&](const TrainableWeight& weight) {
    return weight.name.starts_with(prefix);
  });
  set->train_weights(
      [&](const std::string& name) { return !has_part || name.starts_with(prefix); });
  sets_.push_back(std::move(set));
  attributes_.push_back(part.attribute);
}

void Trainer::train_lora() {
  const config::LoraPlan& lora = *plan_.lora;
  if (lora.kind != "lora") {
    throw Error(Status::NotSupported,
                fmt::format("{}: lora_kind \"{}\" cannot be trained yet; \"lora\" can", plan_.name,
                            lora.kind));
  }
  Instance& instance = run_.parts.get(lora.role);
  const auto targets = instance.weights()->targets();
  std::map<size_t, std::pair<at::Tensor, at::Tensor>> given;
  if (!lora.checkpoint.empty()) {
    const auto plan = config::plan_adapter(
        run_.plan,
        {{"path", nlohmann::json::array({lora.checkpoint.string()})}, {"role", lora.role}});
    const ReadAdapter read = read_adapter(run_.parts, plan, *instance.weights(), run_.call);
    for (const ReadDelta& one : read.deltas) {
      given[one.target] = {one.delta.a.to(at::kFloat).mul(one.delta.scale), one.delta.b};
    }
    if (given.empty()) {
      throw Error(Status::Incompatible,
                  fmt::format("{}: none of its keys belongs to a weight of {}",
                              lora.checkpoint.string(), instance.plan().info->id));
    }
  }
  auto set = std::make_unique<Parameters>(instance);
  auto teacher = std::make_unique<Parameters>(instance);
  for (const size_t target : choose_targets(lora.targets, targets)) {
    const DeltaTarget& t = targets[target];
    at::Tensor a = initial_a(draw(plan_.seed, kLora, target), lora.rank, t.in_features);
    at::Tensor b = at::zeros({t.out_features, lora.rank}, at::kFloat);
    if (const auto found = given.find(target); found != given.end()) {
      std::tie(a, b) = found->second;
    }
    set->train_lora(target, a, b);
    teacher->train_lora(target, a.clone(), b.clone());
  }
  sets_.push_back(std::move(set));
  attributes_.push_back(lora.attribute);
  if (plan_.loss == config::Loss::TrajectoryImitation) teacher_ = std::move(teacher);
}

void Trainer::add_preset() {
  if (!plan_.preset_lora) return;
  const config::PresetLora& preset = *plan_.preset_lora;
  auto adapter = config::plan_adapter(
      run_.plan, {{"path", nlohmann::json::array({preset.path.string()})}, {"role", preset.role}});
  adapter.name = "preset_lora";
  adapter.where = preset.where;
  run_.adapters.add(adapter, run_.call);  // refuses when nothing fits
  for (const auto& told : run_.adapters.describe()) {
    if (told.at("name") != adapter.name) continue;
    const auto keys = told.at("keys").get<size_t>(), missed = told.at("unmatched").get<size_t>();
    run_.watch.event(
        info(fmt::format("preset_lora_path: {} of {} keys matched, {} layers are "
                         "updated",
                         keys - missed, keys, told.at("targets").get<size_t>())));
  }
}

/// The values of an earlier checkpoint by their names in it.
void Trainer::start_from_checkpoint() {
  const auto set = weights::WeightSet::open(plan_.resume_weights);
  size_t used = 0;
  for (size_t s = 0; s < sets_.size(); ++s) {
    if (sets_[s]->instance().role() != plan_.resume_role) continue;
    for (Parameter* parameter : sets_[s]->list()) {
      const auto* found = set.find(parameter->name);
      if (!found) {
        found =
            set.find(checkpoint_name(attributes_[s], parameter->name, plan_.remove_prefix_in_ckpt));
      }
      if (!found) continue;
      const at::Tensor value = tensor_of(set.view(*found)).to(at::kFloat);
      if (value.sizes() != parameter->value.sizes()) {
        throw Error(Status::Incompatible,
                    fmt::format("{}: \"{}\" is {}, expected {}; is it another model's?",
                                plan_.resume_weights.string(), found->name,
                                shape_text(value.sizes()), shape_text(parameter->value.sizes())));
      }
      parameter->value.copy_(value);
      ++used;
    }
    sets_[s]->publish();
  }
  if (used == 0 || used != set.tensors().size()) {
    throw Error(Status::Incompatible,
                fmt::format("{}: {} of its {} tensors belong to what is trained",
                            plan_.resume_weights.string(), used, set.tensors().size()));
  }
}

EncodedItem Trainer::encoded(const data::Item& item) {
  if (item.tensors) return read_cached(item);
  if (plan_.loss == config::Loss::Reconstruction) return picture_item(item);
  EncodingPlan wanted;
  wanted.negative = plan_.loss == config::Loss::TrajectoryImitation;
  return encode_item(run_, item, wanted);
}

bool Trainer::shares_conditions(const EncodedItem& item) const {
  return !item.image_latents.empty() || item.control_context.defined() ||
         !item.lora_features.empty();
}

Conditions Trainer::conditions_of(const std::vector<EncodedItem>& items) const {
  Conditions made;
  const at::ScalarType type = run_.compute_type(kDenoiser);
  for (const EncodedItem& item : items) {
    made.text.push_back(item.text.to(type));
    if (item.text_segments.defined()) made.text_segments.push_back(item.text_segments);
    for (const at::Tensor& image : item.image_latents) made.image_latents.push_back(image.to(type));
    for (const at::Tensor& map : item.image_features) made.image_features.push_back(map.to(type));
  }
  return made;
}

/// All items as one batch, or one by one where conditions belong to single items. A text encoder
/// that is trained encodes here, and gets the gradient of what it gave.
std::vector<double> Trainer::flow_matching(const std::vector<EncodedItem>& items,
                                           const std::vector<uint64_t>& draws, double scale,
                                           bool backward) {
  if (items.size() > 1 && std::any_of(items.begin(), items.end(),
                                      [&](const auto& i) { return shares_conditions(i); })) {
    std::vector<double> losses;
    const double share = scale / static_cast<double>(items.size());
    for (size_t i = 0; i < items.size(); ++i) {
      losses.push_back(flow_matching({items[i]}, {draws[i]}, share, backward).front());
    }
    return losses;
  }
  FlowBatch batch;
  for (size_t i = 0; i < items.size(); ++i) {
    const at::Tensor clean = items[i].latents.to(draw_type_);
    batch.clean.push_back(clean);
    batch.noise.push_back(initial_noise(draw(plan_.seed, kNoise, draws[i]), clean.size(0),
                                        clean.size(1), clean.size(2), draw_type_));
    batch.points.push_back((*grid_)[draw(plan_.seed, kLevel, draws[i]) % grid_->size()]);
  }
  batch.conditions = conditions_of(items);

  Parameters* control = parameters_of(kControlNet);
  std::unique_ptr<ControlRun> injector;
  if (items.front().control_context.defined()) {
    injector = std::make_unique<ControlRun>(run_.parts.get(kControlNet), run_.parts.get(kDenoiser),
                                            run_.call, items.front().control_context, 1.0,
                                            checkpoint_, control ? control->sink() : nullptr);
    batch.conditions.injectors = {injector->get()};
  } else if (control) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: the ControlNet is trained, but the item has no controlnet_image",
                            items.front().where));
  }
  Parameters* generator = parameters_of(kGeneratorRole);
  if (generator) {
    if (items.front().lora_features.empty()) {
      throw Error(Status::InvalidArgument,
                  fmt::format("{}: image-to-LoRA is trained, but the item has no template_inputs",
                              items.front().where));
    }
    generated_->forward(run_.call, items.front().lora_features, checkpoint_);
  }
  Parameters* encoder = parameters_of(kTextEncoder);
  std::unique_ptr<TapedRun> encoding;
  if (encoder) {
    encoding = std::make_unique<TapedRun>(run_.parts.get(kTextEncoder), GESSO_OP_ENCODE);
    std::vector<at::Tensor> ids;
    for (const EncodedItem& item : items) ids.push_back(item.token_ids);
    encoding->feed(GESSO_PORT_TOKEN_IDS, ids);
    auto made = encoding->forward(run_.call, {}, checkpoint_);
    batch.conditions.text = take(made, GESSO_PORT_TEXT, items.size(), "the text encoder");
  }

  const Parameters* own = parameters_of(kDenoiser);
  const TrainedDenoiser denoiser(run_.parts.get(kDenoiser), run_.plan.numerics, checkpoint_,
                                 own ? own->sink() : (generator ? generated_->sink() : nullptr));
  std::vector<at::Tensor> text_grads;
  const auto losses = flow_matching_loss(denoiser, run_.call, batch, scale, backward,
                                         encoder && backward ? &text_grads : nullptr);
  if (backward && generator) generated_->backward(run_.call, generator->sink());
  if (backward && encoder) {
    encoding->backward(run_.call, {{GESSO_PORT_TEXT, text_grads}}, encoder->sink());
  }
  return losses;
}

/// The codec alone, picture by picture.
std::vector<double> Trainer::reconstructed(const std::vector<EncodedItem>& items,
                                           const std::vector<uint64_t>& draws, double scale,
                                           bool backward) {
  const Parameters* own = parameters_of(kCodec);
  if (!own) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: task \"vae\" trains the vae", plan_.name));
  }
  const Instance& codec = run_.parts.get(kCodec);
  uint32_t channels = 0, cell = 1;
  codec.interface<gesso_codec_t>(GESSO_CODEC_ID).geometry(codec.self(), &channels, &cell);
  std::vector<double> losses;
  for (size_t i = 0; i < items.size(); ++i) {
    const at::Tensor& pixels = items[i].pixels;
    const at::Tensor noise =
        initial_noise(draw(plan_.seed, kNoise, draws[i]), channels, pixels.size(1) / cell,
                      pixels.size(2) / cell, at::kFloat);
    losses.push_back(reconstruction_loss(
        codec, run_.call, pixels, noise, {plan_.vae_edge_weight, plan_.vae_kl_weight}, checkpoint_,
        scale / static_cast<double>(items.size()), backward ? own->sink() : nullptr));
  }
  return losses;
}

double Trainer::distilled(const EncodedItem& item, uint64_t place, double scale) {
  const Instance& scheduler = run_.parts.get("scheduler");
  const Parameters* own = parameters_of(kDenoiser);
  if (!own) {
    throw Error(Status::InvalidArgument,
                fmt::format("{}: distillation trains the denoiser", plan_.name));
  }
  const TrainedDenoiser denoiser(run_.parts.get(kDenoiser), run_.plan.numerics, checkpoint_,
                                 own->sink());
  const Conditions conditions = conditions_of({item});
  const auto noise = [&](uint64_t seed) {
    return initial_noise(seed, item.latents.size(0), item.latents.size(1), item.latents.size(2),
                         draw_type_);
  };
  if (plan_.loss == config::Loss::DirectDistill) {
    const auto number = [&](const char* key, int64_t preset) -> int64_t {
      if (!item.extra.is_object() || !item.extra.contains(key)) return preset;
      const nlohmann::json& value = item.extra.at(key);
      return value.is_string() ? std::stoll(value.get<std::string>()) : value.get<int64_t>();
    };
    const auto steps = static_cast<uint32_t>(number("num_inference_steps", plan_.student_steps));
    const auto seed = static_cast<uint64_t>(
        number("seed", static_cast<int64_t>(draw(plan_.seed, kNoise, place) >> 1)));
    return direct_distill_loss(denoiser, run_.call, plan_steps(scheduler, run_.call, steps, {}),
                               noise(seed), item.latents, conditions, scale);
  }
  if (!item.negative_text.defined()) {
    throw Error(Status::BadData,
                fmt::format("{}: the cache has no negative prompt; encode it again for this task",
                            item.where));
  }
  if (!trajectory_) {
    trajectory_ = plan_trajectory(scheduler, run_.call, static_cast<uint32_t>(plan_.teacher_steps),
                                  static_cast<uint32_t>(plan_.student_steps), {});
  }
  EncodedItem without = item;
  without.text = item.negative_text;
  without.text_segments = item.negative_segments;
  Parameters* student = parameters_of(kDenoiser);
  student->show(false);
  if (teacher_) teacher_->show(true);
  follow_teacher(*trajectory_, denoiser, run_.call, noise(draw(plan_.seed, kNoise, place)),
                 conditions, conditions_of({without}), plan_.teacher_cfg_scale);
  if (teacher_) teacher_->show(false);
  student->show(true);
  return trajectory_loss(denoiser, run_.call, *trajectory_, conditions, scale);
}

/// The losses of this worker's part of a micro-batch; gradients are added up.
std::vector<double> Trainer::losses_of(const std::vector<EncodedItem>& items,
                                       const data::Batch& batch) {
  const data::Worker self = workers_.self();
  double scale = 1.0 / static_cast<double>(plan_.gradient_accumulation_steps);
  if (plan_.data.on_error == config::OnError::Skip && !workers_.alone()) {
    // Items were left out, perhaps here more than there: each of the others counts the same.
    double all = 0;
    const auto here = static_cast<double>(items.size());
    for (const auto& counts : workers_.share({here})) all += counts.front();
    if (all > 0) scale *= here * self.count / all;
  }
  if (items.empty()) return {};
  // Places of the items in the run, the same for any number of workers.
  const auto planned = static_cast<uint64_t>(plan_.data.batch_size) * self.count;
  const size_t share = batch.global_items / self.count;
  std::vector<uint64_t> draws;
  for (size_t i = 0; i < items.size(); ++i) {
    draws.push_back(static_cast<uint64_t>(micro_batch_) * planned + self.rank * share + i);
  }
  if (plan_.loss == config::Loss::FlowMatching) return flow_matching(items, draws, scale, true);
  if (plan_.loss == config::Loss::Reconstruction) return reconstructed(items, draws, scale, true);
  std::vector<double> losses;
  for (size_t i = 0; i < items.size(); ++i) {
    losses.push_back(distilled(items[i], draws[i], scale / static_cast<double>(items.size())));
  }
  return losses;
}

/// @return the mean over all workers. @throws Error  Numeric naming the worker whose loss or
/// gradients are not finite; the item is known where it is
double Trainer::agree_on_loss(const std::vector<double>& losses,
                              const std::vector<EncodedItem>& items, bool finite_gradients) const {
  const auto advice = [&] {
    return fmt::format(
        "the last checkpoint is good. Is the learning rate ({}) too high, or the "
        "item damaged?",
        plan_.optimizer.learning_rate);
  };
  double sum = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    sum += losses[i];
    if (std::isfinite(losses[i])) continue;
    throw Error(Status::Numeric,
                fmt::format("micro-batch {}: the loss is {} at {}; {}", micro_batch_ + 1, losses[i],
                            items[i].where, advice()));
  }
  if (!finite_gradients) {
    throw Error(Status::Numeric, fmt::format("micro-batch {}: the gradients are not finite; {}",
                                             micro_batch_ + 1, advice()));
  }
  const auto all = workers_.share({sum, static_cast<double>(losses.size())});
  double total = 0, count = 0;
  for (const auto& of : all) total += of[0], count += of[1];
  return count > 0 ? total / count : 0;
}

/// The end of a group of micro-batches: gradients become a step.
void Trainer::finish_group(int64_t total) {
  learning_rate_ = learning_rate(plan_.schedule, plan_.optimizer.learning_rate,
                                 progress_.optimizer_steps, total);
  gradient_norm_ = optimization_->step(learning_rate_);
  if (std::isfinite(gradient_norm_)) return;
  throw Error(Status::Numeric,
              fmt::format("micro-batch {}: the gradients are not finite; the last checkpoint is "
                          "good. Is the learning rate ({}) too high?",
                          micro_batch_ + 1, plan_.optimizer.learning_rate));
}

double Trainer::validate() {
  const data::Worker self = workers_.self();
  std::vector<double> losses(split_.validation.size());  // of this worker's items, else 0
  for (size_t i = self.rank; i < losses.size(); i += self.count) {
    const data::Item item = dataset_->load(split_.validation[i]);
    const uint64_t place = data::mixed(kHeldOut, i);  // the same draws each time
    const auto loss = plan_.loss == config::Loss::Reconstruction ? &Trainer::reconstructed
                                                                 : &Trainer::flow_matching;
    losses[i] = (this->*loss)({encoded(item)}, {place}, 1, false).front();
  }
  std::vector<double> all(losses.size());
  for (const auto& of : workers_.share(losses)) {
    for (size_t i = 0; i < all.size(); ++i) all[i] += of[i];
  }
  return mean(all);
}

void Trainer::write_checkpoint(const std::string& name) {
  for (const bool average : {false, true}) {
    if (average ? !optimization_->averages() : !workers_.first()) continue;
    std::vector<std::string> names;
    std::vector<at::Tensor> values;
    size_t place = 0;
    for (size_t s = 0; s < sets_.size(); ++s) {
      for (const Parameter& parameter : sets_[s]->all()) {
        names.push_back(
            checkpoint_name(attributes_[s], parameter.name, plan_.remove_prefix_in_ckpt));
        values.push_back(average ? optimization_->average(place) : parameter.value);
        ++place;
      }
    }
    if (!workers_.first()) continue;
    const auto file = plan_.output_path / (name + (average ? "-ema" : "") + ".safetensors");
    write_weights(file, names, values, plan_.save_dtype);
    report_.checkpoint(micro_batch_, file);
  }
}

void Trainer::write_state() {
  if (plan_.keep_states == 0) return;
  runtime::write_state(
      workers_, plan_.output_path,
      {progress_, fingerprint_of(plan_, split_.train.size(), workers_.self().count)},
      *optimization_, plan_.keep_states);
  saved_ = progress_.micro_batch;
}

void Trainer::save(int64_t micro_batch, int64_t epoch, bool ends_epoch, bool last) {
  const bool by_steps = plan_.save_steps > 0;
  const bool aligned = by_steps && micro_batch % plan_.save_steps == 0;
  if (aligned || (by_steps && last)) {
    write_checkpoint(fmt::format("step-{}", micro_batch));
  } else if (!by_steps && (ends_epoch || last)) {
    write_checkpoint(ends_epoch ? fmt::format("epoch-{}", epoch)
                                : fmt::format("step-{}", micro_batch));
  } else {
    return;
  }
  write_state();
}

bool Trainer::resume() {
  if (!plan_.resume) return false;
  const std::filesystem::path file =
      workers_.from_first(workers_.first() ? newest_state(plan_.output_path).string() : "");
  if (file.empty()) {
    run_.watch.event(info(fmt::format("{}: no state to go on from; the run begins anew",
                                      plan_.output_path.string())));
    return false;
  }
  progress_ =
      read_state(workers_, file, fingerprint_of(plan_, split_.train.size(), workers_.self().count),
                 *optimization_)
          .progress;
  run_.watch.event(
      info(fmt::format("{}: goes on after micro-batch {}", file.string(), progress_.micro_batch)));
  return true;
}

nlohmann::json Trainer::train() {
  const auto start = Clock::now();
  if (workers_.first()) std::filesystem::create_directories(plan_.output_path);
  choose_parameters();
  resume();
  if (plan_.loss != config::Loss::Reconstruction) {
    grid_ = std::make_unique<TrainingGrid>(run_.parts.get("scheduler"), run_.call, kLevels,
                                           run_.as_reference());
  }
  loader_ = std::make_unique<data::Loader>(dataset_, split_.train, plan_.data, workers_.self(),
                                           progress_.position);
  const auto per_epoch = static_cast<int64_t>(loader_->batches_per_epoch());
  const int64_t accumulation = plan_.gradient_accumulation_steps;
  const int64_t groups = (per_epoch + accumulation - 1) / accumulation;  // per epoch
  int64_t total_groups = groups * plan_.num_epochs, total = per_epoch * plan_.num_epochs;
  if (plan_.max_steps > 0) {
    total_groups = plan_.max_steps;
    total = plan_.max_steps / groups * per_epoch +
            std::min(plan_.max_steps % groups * accumulation, per_epoch);
  }

  micro_batch_ = progress_.micro_batch;
  if (workers_.first()) report_.begin(micro_batch_);
  double last_loss = 0;
  try {
    last_loss = run_steps(total, total_groups);
  } catch (const Error& e) {
    // Cancelled, or a worker was lost: what the last optimizer step left is good. The others are
    // not there any more to give what they keep.
    const bool can_save = workers_.first() && optimization_->whole();
    if (can_save && e.status() != Status::Numeric && progress_.micro_batch > saved_) write_state();
    throw;
  }
  nlohmann::json failures = nlohmann::json::array();
  for (const data::Failure& failure : loader_->failures()) {
    failures.push_back({{"where", failure.where}, {"text", failure.text}});
  }
  return {{"micro_batches", micro_batch_},
          {"optimizer_steps", progress_.optimizer_steps},
          {"loss", last_loss},
          {"parameters", count_parameters()},
          {"seconds", seconds_since(start)},
          {"skipped", failures},
          {"memory", process_memory()},
          {"workers", memory_of_workers()}};
}

/// Of each: the peak of the process, and what it keeps of gradients and of the optimizer.
nlohmann::json Trainer::memory_of_workers() const {
  const auto all = workers_.share({process_memory().value("peak_rss", 0.0),
                                   static_cast<double>(optimization_->gradient_bytes()),
                                   static_cast<double>(optimization_->optimizer_bytes())});
  nlohmann::json told = nlohmann::json::array();
  for (uint32_t rank = 0; rank < all.size(); ++rank) {
    const auto& of = all[rank];
    told.push_back({{"name", workers_.name_of(rank)},
                    {"peak_rss", static_cast<uint64_t>(of[0])},
                    {"gradient_bytes", static_cast<uint64_t>(of[1])},
                    {"optimizer_bytes", static_cast<uint64_t>(of[2])}});
    if (workers_.alone()) continue;
    run_.watch.event(info(
        fmt::format("{}: peak {:.2f} GB; gradients {:.3f} GB, states of the optimizer {:.3f} GB",
                    workers_.name_of(rank), of[0] / 1e9, of[1] / 1e9, of[2] / 1e9)));
  }
  return told;
}

/// @return the last loss
double Trainer::run_steps(int64_t total, int64_t total_groups) {
  const auto start = Clock::now();
  const int64_t begun = micro_batch_, accumulation = plan_.gradient_accumulation_steps;
  double last_loss = 0;
  while (micro_batch_ < total) {
    run_.call.poll();
    const auto step_start = Clock::now();
    const data::Batch batch = loader_->next();
    std::vector<EncodedItem> items;
    for (const data::Item& item : batch.items) items.push_back(encoded(item));
    run_.memory.enter_phase(plan_.loss == config::Loss::Reconstruction ? kCodec : kDenoiser);
    const auto in_epoch = static_cast<int64_t>(batch.position.batch) + 1;
    const bool ends_step = in_epoch % accumulation == 0 || batch.ends_epoch;
    optimization_->begin_micro_batch(ends_step);
    const auto losses = losses_of(items, batch);
    const bool finite = optimization_->send_gradients();
    last_loss = agree_on_loss(losses, items, finite);
    gradient_norm_ = -1;
    if (ends_step) {
      finish_group(total_groups);
      ++progress_.optimizer_steps;
      progress_.micro_batch = micro_batch_ + 1;
      progress_.position = loader_->position();
    } else {
      optimization_->end_micro_batch();
    }
    ++micro_batch_;
    const bool last = micro_batch_ >= total;
    if (workers_.first()) {
      TrainStep told;
      told.micro_batch = micro_batch_;
      told.optimizer_steps = progress_.optimizer_steps;
      told.total_micro_batches = total;
      told.epoch = static_cast<int64_t>(batch.position.epoch);
      told.loss = last_loss;
      told.learning_rate = learning_rate_;
      told.gradient_norm = gradient_norm_;
      told.seconds = seconds_since(step_start);
      told.seconds_left = seconds_since(start) / static_cast<double>(micro_batch_ - begun) *
                          static_cast<double>(total - micro_batch_);
      told.memory_bytes = process_memory().value("anonymous", uint64_t{0});
      for (const EncodedItem& item : items) told.items.push_back(item.where);
      report_.step(told);
    }
    if (plan_.validation_steps > 0 && !split_.validation.empty() &&
        micro_batch_ % plan_.validation_steps == 0) {
      const double loss = validate();
      if (workers_.first()) report_.validation(micro_batch_, loss);
    }
    save(micro_batch_, static_cast<int64_t>(batch.position.epoch), batch.ends_epoch, last);
    if (plan_.sample_steps > 0 && plan_.samples && micro_batch_ % plan_.sample_steps == 0 &&
        workers_.first()) {
      paint_([&](size_t index, const image::Image& picture) {
        report_.sample(micro_batch_, index, picture);
      });
    }
  }
  return last_loss;
}

nlohmann::json Trainer::encode_all() {
  const auto start = Clock::now();
  if (workers_.first()) std::filesystem::create_directories(plan_.output_path);
  nlohmann::json maker = {{"numerics", run_.plan.numerics},
                          {"loss", static_cast<int>(plan_.loss)},
                          {"components", nlohmann::json::object()}};
  for (const config::ComponentPlan& component : run_.plan.components) {
    nlohmann::json files = nlohmann::json::array();
    for (const auto& file : component.files) files.push_back(file.filename().string());
    maker["components"][component.role] = {
        {"id", component.info->id}, {"dtype", component.dtype}, {"files", files}};
  }
  data::CacheWriter writer(plan_.output_path, maker);
  const data::Worker self = workers_.self();
  std::vector<size_t> left_out;
  size_t made = 0, kept = 0;
  nlohmann::json failures = nlohmann::json::array();
  for (size_t row = self.rank; row < dataset_->size(); row += self.count) {
    run_.call.poll();
    try {
      const data::Item item = dataset_->load(row);
      if (writer.has(row, item.prompt)) {
        ++kept;
      } else {
        writer.add(cache_entry(item, encoded(item)));
        ++made;
      }
    } catch (const Error& e) {
      const bool of_item = e.status() == Status::BadData || e.status() == Status::NotFound;
      if (!of_item || plan_.data.on_error == config::OnError::Stop) throw;
      left_out.push_back(row);
      failures.push_back({{"where", dataset_->where(row)}, {"text", e.what()}});
    }
    Event event;
    event.type = Event::Step;
    event.stage = "encode";
    event.step = row + 1;
    event.total = dataset_->size();
    run_.watch.event(event);
  }
  std::vector<double> missing(dataset_->size());
  for (const size_t row : left_out) missing[row] = 1;
  left_out.clear();
  const auto all = workers_.share(missing);
  for (size_t row = 0; row < missing.size(); ++row) {
    const size_t worker = row % self.count;
    if (all[worker][row] > 0) left_out.push_back(row);
  }
  if (workers_.first()) writer.finish(dataset_->size(), left_out);
  return {
      {"encoded", made}, {"kept", kept}, {"skipped", failures}, {"seconds", seconds_since(start)}};
}

}  // namespace gesso::runtime
