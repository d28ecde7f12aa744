// What single kinds promise of their results.
#include <cmath>

#include "gesso/kind/codec.h"
#include "validate/each_operation.hpp"

namespace gesso::validate {
namespace {

OperationContract contract(const Context& c, const std::string& name) {
  for (const OperationContract& found : contracts_of(c.component->kind))
    if (name == found.operation) return found;
  skip("the kind has no operation \"{}\"", name);
}

/// @throws Skipped  when there is nothing; where that is a fault, module.outputs tells it
std::span<const int64_t> shape_at(const Outcome& outcome, const Operation& operation,
                                  const std::string& port) {
  for (const Made& made : outcome.made)
    if (port == operation.description().outputs[made.port]->name) return shape_of(made.tensor.dl());
  skip("nothing came out at \"{}\"", port);
}

/// Result and input of an operation have the same extents.
void same_shape(Context& c, const char* name, const char* input, const char* output) {
  const auto subject = c.ready();
  Operation operation(*subject, contract(c, name));
  const Outcome outcome = good_run(operation);
  const auto given = shape_of(operation.lent_at(input, 0).get()->dl_tensor);
  const auto found = shape_at(outcome, operation, output);
  expect(std::ranges::equal(given, found), "\"{}\" is {}, \"{}\" {}", input, shape_text(given),
         output, shape_text(found));
}

void denoiser_shape(Context& c) { same_shape(c, "denoise", "latents", "prediction"); }
void preprocessor_shape(Context& c) { same_shape(c, "process", "pixels", "pixels"); }

void preprocessor_range(Context& c) {
  const auto subject = c.ready();
  Operation operation(*subject, contract(c, "process"));
  for (const Made& made : good_run(operation).made)
    for (const double x : numbers(made.tensor.dl()))
      expect(!std::isfinite(x) || (x >= -1.001 && x <= 1.001), "a pixel is {}, outside [-1, 1]", x);
}

void encoder_rows(Context& c) {
  const auto subject = c.ready();
  Operation operation(*subject, contract(c, "encode"));
  const Outcome outcome = good_run(operation);
  const int64_t tokens = operation.lent_at("token_ids", 0).get()->dl_tensor.shape[0];
  const auto found = shape_at(outcome, operation, "text");
  expect(found[0] == tokens, "{} tokens became {} rows", tokens, found[0]);
}

struct Geometry {
  uint32_t channels = 0, cell = 0;
};
Geometry geometry_of(Subject& subject) {
  const auto* codec = subject.find<gesso_codec_t>(GESSO_CODEC_ID);
  expect(codec && codec->geometry, "geometry is NULL");
  Geometry found;
  codec->geometry(subject.self(), &found.channels, &found.cell);
  return found;
}

void codec_geometry(Context& c) {
  const Geometry g = geometry_of(*c.ready());
  expect(g.channels > 0 && g.channels < 4096 && g.cell > 0 && g.cell < 4096,
         "{} channels, {} pixels per cell", g.channels, g.cell);
}

void codec_shapes(Context& c) {
  const auto subject = c.ready();
  const Geometry g = geometry_of(*subject);
  if (g.channels == 0 || g.cell == 0) skip("it has no geometry (see codec.geometry)");
  Operation encode(*subject, contract(c, "encode"));
  const Outcome latents = good_run(encode);
  const int64_t* pixels = encode.lent_at("pixels", 0).get()->dl_tensor.shape;
  const int64_t expected[] = {g.channels, pixels[1] / g.cell, pixels[2] / g.cell};
  const auto found = shape_at(latents, encode, "latents");
  expect(std::ranges::equal(expected, found), "encode of {}x{} pixels: expected {}, found {}",
         pixels[2], pixels[1], shape_text(expected), shape_text(found));
  Operation decode(*subject, contract(c, "decode"));
  const Outcome picture = good_run(decode);
  const int64_t* cells = decode.lent_at("latents", 0).get()->dl_tensor.shape;
  const int64_t size[] = {3, cells[1] * g.cell, cells[2] * g.cell};
  const auto made = shape_at(picture, decode, "pixels");
  expect(std::ranges::equal(size, made), "decode of {}x{} cells: expected {}, found {}", cells[2],
         cells[1], shape_text(size), shape_text(made));
}

void codec_preview(Context& c) {
  const auto subject = c.ready();
  const auto* codec = subject->find<gesso_codec_t>(GESSO_CODEC_ID);
  if (!GESSO_HAS(gesso_codec_t, codec, preview)) skip("it has no preview");
  const Geometry g = geometry_of(*subject);
  if (g.channels == 0 || g.channels >= 4096) skip("it has no geometry (see codec.geometry)");
  constexpr float kMark = 12345;
  std::vector<float> weight(g.channels * 3 + 1, kMark), bias(4, kMark);
  if (!codec->preview(subject->self(), weight.data(), bias.data())) skip("it has no preview");
  expect(weight.back() == kMark && bias.back() == kMark,
         "it wrote more than {} weights and 3 biases", g.channels * 3);
  for (const float x : weight) expect(std::isfinite(x), "a weight of the preview is {}", x);
}

void composer_alone(Context& c) {
  const auto subject = c.ready({.without_siblings = true});
  Operation operation(*subject, contract(c, "compose"));
  operation.feed({});
  const Outcome outcome = operation.run();
  expect(outcome.status == GESSO_STATUS_OK || !outcome.text.empty(),
         "without siblings it failed with status {} and no text", outcome.status);
}

void composer_ids(Context& c) {
  const auto subject = c.ready();
  Operation operation(*subject, contract(c, "compose"));
  const Outcome outcome = good_run(operation);
  const int64_t rows = shape_at(outcome, operation, "text")[0];
  const int64_t ids = shape_at(outcome, operation, "token_ids")[0];
  expect(rows == ids, "{} rows of text, {} token ids", rows, ids);
}

constexpr Check kChecks[] = {
    {"denoiser.shape", "", Needs::Ready, "denoiser", "a prediction has the shape of its latents",
     "Give [C, H, W] of the item, without padding.", denoiser_shape},
    {"text_encoder.rows", "", Needs::Ready, "text_encoder", "a row of features for each token",
     "Give no rows for padding.", encoder_rows},
    {"codec.geometry", "", Needs::Ready, "codec", "tells channels and pixels per cell",
     "Offer \"gesso.codec/1\" with its geometry.", codec_geometry},
    {"codec.shapes", "", Needs::Ready, "codec",
     "pictures and latents have the sizes of the geometry",
     "Give [channels, H / cell, W / cell] and the reverse.", codec_shapes},
    {"codec.preview", "", Needs::Ready, "codec", "the preview has 3 weights a channel, all numbers",
     "Write channels x 3 weights and 3 biases.", codec_preview},
    {"preprocessor.shape", "", Needs::Ready, "preprocessor", "a map has the size of its picture",
     "Give [3, H, W] of the input.", preprocessor_shape},
    {"preprocessor.range", "", Needs::Ready, "preprocessor", "maps are in [-1, 1]",
     "Scale bytes by 2 / 255 and subtract 1.", preprocessor_range},
    {"composer.alone", "R7", Needs::Ready, "composer", "a sibling that is missing is told",
     "Return what find returned, with its text.", composer_alone},
    {"composer.ids", "", Needs::Ready, "composer", "a token id for each row of text",
     "Give the ids that were encoded.", composer_ids},
};

}  // namespace

std::span<const Check> kind_checks() { return kChecks; }

}  // namespace gesso::validate
