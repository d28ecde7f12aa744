// A denoiser of another architecture than the tree's, without libtorch: the exact one.
//
// A model that is trained on K pictures m_k learns, at best, the mean of the pictures that could
// have become the noisy x. For a finite album this mean has a closed form:
//
//   x0(x, sigma) = sum_k w_k m_k,   w = softmax_k( prior_k - |x - (1 - sigma) m_k|^2 / (2 sigma^2)
//   )
//
// and the velocity that the scheduler wants is (x - x0) / sigma. The prior is how near a picture's
// caption is to the prompt, in the text encoder's features. One matrix product, no layers: a prompt
// finds its picture, and what lies between two captions becomes either of them, as the noise wills.
//
// `make_album.py` made album.safetensors for the demo's text encoder and codec.
#include <gesso/kind/codec.h>
#include <gesso/kind/denoiser.h>
#include <gesso/kind/text_encoder.h>
#include <algorithm>
#include <cmath>
#include <gesso/cpp/module.hpp>
#include <numeric>

namespace {

using gesso::Error;
using gesso::numbers;
using gesso::Status;

double squared_distance(const float* x, const float* m, size_t n, double scale) {
  double sum = 0;
  for (size_t i = 0; i < n; ++i) {
    const double d = x[i] - scale * m[i];
    sum += d * d;
  }
  return sum;
}

void softmax(std::vector<double>& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& w : logits) sum += w = std::exp(w - top);
  for (double& w : logits) w /= sum;
}

class Album : public gesso::Component<Album, gesso::ModuleInterface> {
 public:
  static constexpr gesso::Info info{
      .id = "org.example.album.denoiser",
      .kind = "denoiser",
      .name = "Album",
      .version = "1.0.0",
      .summary = "The exact denoiser of a few known pictures, found by their captions"};

  static const std::vector<gesso::Op<Album>>& ops() {
    using namespace gesso;
    static const std::vector<Op<Album>> list{
        {.name = GESSO_OP_DENOISE,
         .inputs = {{GESSO_PORT_LATENTS, "C H W", kPerItem, "f32|bf16"},
                    {GESSO_PORT_TIMESTEP, "B", 0, "f32"},
                    {GESSO_PORT_TEXT, "L D", kPerItem, "f32|bf16"}},
         .outputs = {{GESSO_PORT_PREDICTION, "C H W", kPerItem, "f32"}},
         .run = &Album::denoise,
         .estimate = &Album::estimate}};
    return list;
  }

  void prepare(const gesso::Setup& setup) {
    sharpness_ = setup.values.real("sharpness", 60);
    if (!setup.weights) throw Error(Status::NotFound, "album: it needs a file of pictures");
    const auto buffer = [&](const char* name) {
      shapes_.push_back(setup.weights.describe(name).shape);
      return gesso::WeightRequest{name, shapes_.back(), GESSO_WEIGHT_BUFFER, gesso::kF32};
    };
    unit_ =
        setup.weights.declare("album", {buffer("pictures"), buffer("captions"), buffer("middle")});
  }

  void denoise(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    const auto latents = inputs.list(GESSO_PORT_LATENTS);
    const auto texts = inputs.list(GESSO_PORT_TEXT);
    const std::vector<float> timesteps = numbers<float>(inputs.one(GESSO_PORT_TIMESTEP)->dl_tensor);
    if (texts.size() != latents.size() || timesteps.size() != latents.size()) {
      throw Error(Status::InvalidArgument,
                  "album: as many latents, timesteps and texts are needed");
    }
    const auto unit = unit_.enter(call);  // the weights stay where they are until the end
    const auto pictures = gesso::elements<const float>(unit[0].parts[0]->dl_tensor);
    const auto captions = gesso::elements<const float>(unit[1].parts[0]->dl_tensor);
    const auto middle = gesso::elements<const float>(unit[2].parts[0]->dl_tensor);
    for (size_t item = 0; item < latents.size(); ++item) {
      call.poll();
      const DLTensor& x = latents[item]->dl_tensor;
      check_shape(x);
      const auto prior = priors(texts[item]->dl_tensor, captions, middle);
      const auto v = velocity(numbers<float>(x), timesteps[item] / 1000.0, pictures, prior);
      gesso::Tensor out = gesso::Tensor::empty(gesso::kF32, gesso::shape_of(x));
      std::copy(v.begin(), v.end(), gesso::elements<float>(out.dl()).begin());
      outputs.put(GESSO_PORT_PREDICTION, static_cast<int32_t>(item), std::move(out));
    }
  }

  gesso_estimate_t estimate(const gesso::Inputs& inputs) {
    const auto latents = inputs.list(GESSO_PORT_LATENTS);
    uint64_t count = 0;
    for (const gesso_tensor_t* x : latents) count += uint64_t(gesso::count_of(x->dl_tensor));
    return {sizeof(gesso_estimate_t), 0, count * 3 * sizeof(float),
            count * uint64_t(shapes_[0][0]) * 4};
  }

 private:
  void check_shape(const DLTensor& x) const {
    const std::span expected(shapes_[0].begin() + 1, shapes_[0].end());
    if (std::ranges::equal(gesso::shape_of(x), expected)) return;
    throw Error(Status::InvalidArgument,
                "album: it has pictures of " + gesso::shape_text(expected) + ", found latents of " +
                    gesso::shape_text(gesso::shape_of(x)) + "; ask for the size it was made for");
  }

  /// The cosine between the prompt's features and each caption's, times `sharpness`.
  std::vector<double> priors(const DLTensor& text, std::span<const float> captions,
                             std::span<const float> middle) const {
    const size_t width = middle.size();
    if (text.shape[1] != static_cast<int64_t>(width)) {
      throw Error(Status::InvalidArgument, "album: expected text features of width " +
                                               std::to_string(width) + ", found " +
                                               gesso::shape_text(gesso::shape_of(text)));
    }
    const std::vector<float> rows = numbers<float>(text);
    std::vector<double> key(width);
    for (size_t i = 0; i < rows.size(); ++i) {
      key[i % width] += rows[i] / double(rows.size() / width);
    }
    for (size_t d = 0; d < width; ++d) key[d] -= middle[d];
    const double length = std::sqrt(std::inner_product(key.begin(), key.end(), key.begin(), 0.0));
    std::vector<double> prior;
    for (size_t k = 0; k < captions.size() / width; ++k) {
      const float* caption = captions.data() + k * width;
      double product = 0, norm = 0;
      for (size_t d = 0; d < width; ++d) {
        product += caption[d] * key[d];
        norm += double(caption[d]) * caption[d];
      }
      prior.push_back(sharpness_ * product / (std::sqrt(norm) * length + 1e-12));
    }
    return prior;
  }

  static std::vector<float> velocity(const std::vector<float>& x, double sigma,
                                     std::span<const float> pictures, std::vector<double> weights) {
    sigma = std::max(sigma, 1e-3);
    const size_t n = x.size();
    for (size_t k = 0; k < weights.size(); ++k) {
      const double distance = squared_distance(x.data(), pictures.data() + k * n, n, 1 - sigma);
      weights[k] -= distance / (2 * sigma * sigma);
    }
    softmax(weights);
    std::vector<float> v(n);
    for (size_t i = 0; i < n; ++i) {
      double mean = 0;
      for (size_t k = 0; k < weights.size(); ++k) mean += weights[k] * pictures[k * n + i];
      v[i] = static_cast<float>((x[i] - mean) / sigma);
    }
    return v;
  }

  double sharpness_ = 0;
  std::vector<std::vector<int64_t>> shapes_;
  gesso::Unit unit_;
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.album", "1.0.0", "Example", "Apache-2.0", Album)
