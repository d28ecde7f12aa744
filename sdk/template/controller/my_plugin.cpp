// A controller: where a picture is bright, the image's tokens become stronger.
//
// It reads the denoiser's state at one point and adds to it at another; which points there are is
// the denoiser's to say. A ControlNet computes its residuals with layers of its own.
#include <algorithm>
#include <gesso/cpp/injection.hpp>

namespace {

constexpr int64_t kSide = 8;  // pixels of a latent cell; a token is 2 by 2 cells

/// What is made of one picture, for one run after another.
class Brightness : public gesso::Injector {
 public:
  Brightness(std::vector<float> light, double scale, const gesso::PointList& points)
      : light_(std::move(light)),
        scale_(static_cast<float>(scale)),
        read_(points.place_of("embed", gesso::kTap)),
        tap_(points.tap_of(read_, "x")),
        add_(points.place_of("noise_refiner.0", gesso::kAdd)),
        points_{read_, add_} {}

  const std::vector<uint32_t>& points() const override { return points_; }

  void at(const gesso::Call&, uint32_t point, const gesso::Taps& taps,
          const gesso::Residuals& residuals) override {
    if (point == read_) {
      made_.clear();
      for (const gesso_tensor_t* x : taps.list(tap_)) made_.push_back(residual(x->dl_tensor));
    } else {
      for (size_t i = 0; i < made_.size(); ++i) {
        residuals.put(static_cast<int32_t>(i), std::move(made_[i]));
      }
      made_.clear();
    }
  }

 private:
  /// [tokens, width], as x; tokens behind those of the image are left alone.
  gesso::Tensor residual(const DLTensor& x) const {
    const auto from = gesso::numbers<float>(x);
    gesso::Tensor made = gesso::Tensor::empty(gesso::kF32, gesso::shape_of(x));
    const auto to = gesso::elements<float>(made.dl());
    const auto width = static_cast<size_t>(x.shape[1]);
    for (size_t i = 0; i < from.size(); ++i) {
      const size_t token = i / width;
      to[i] = token < light_.size() ? scale_ * light_[token] * from[i] : 0;
    }
    return made;
  }

  std::vector<float> light_;  // of each token, in [-1, 1]
  float scale_;
  uint32_t read_, tap_, add_;
  std::vector<uint32_t> points_;
  std::vector<gesso::Tensor> made_;
};

class MyPlugin
    : public gesso::Component<MyPlugin, gesso::ModuleInterface, gesso::ControllerInterface> {
 public:
  static constexpr gesso::Info info{.id = "org.example.my_plugin.controller",
                                    .kind = "controller",
                                    .name = "MyPlugin",
                                    .version = "1.0.0",
                                    .summary = "The brightness of a picture, added to the image"};

  static const std::vector<gesso::Op<MyPlugin>>& ops() {
    static const std::vector<gesso::Op<MyPlugin>> list{
        {.name = GESSO_OP_CONTEXT,
         .inputs = {{GESSO_PORT_IMAGE, "3 H W", gesso::kOptional, "f32"}},
         .outputs = {{GESSO_PORT_CONTEXT, "C h w", 0, "f32"}},
         .run = &MyPlugin::context}};
    return list;
  }

  /// Once per picture: [1, h, w], the brightness of each latent cell. A context has the height and
  /// width of the latents, since the host cuts both alike when it works tile by tile.
  void context(const gesso::Call& call, const gesso::Inputs& inputs, gesso::Outputs& outputs) {
    call.poll();
    const DLTensor& picture = inputs.one(GESSO_PORT_IMAGE)->dl_tensor;
    if (picture.shape[1] % (2 * kSide) != 0 || picture.shape[2] % (2 * kSide) != 0) {
      throw gesso::Error(gesso::Status::InvalidArgument,
                         "expected a picture whose sides are multiples of 16, found " +
                             gesso::shape_text(gesso::shape_of(picture)));
    }
    const auto from = gesso::numbers<float>(picture);
    const int64_t height = picture.shape[1], width = picture.shape[2];
    const int64_t shape[] = {1, height / kSide, width / kSide};
    gesso::Tensor made = gesso::Tensor::empty(gesso::kF32, shape);
    const auto to = gesso::elements<float>(made.dl());
    std::fill(to.begin(), to.end(), 0.0f);
    for (int64_t i = 0; i < gesso::count_of(picture); ++i) {
      const int64_t y = i / width % height, x = i % width;
      to[static_cast<size_t>(y / kSide * shape[2] + x / kSide)] +=
          from[static_cast<size_t>(i)] / (3 * kSide * kSide);
    }
    outputs.put(GESSO_PORT_CONTEXT, -1, std::move(made));
  }

  std::unique_ptr<gesso::Injector> open(const gesso::Call&, gesso_tensor_t* context, double scale,
                                        const gesso::PointList& points) {
    const std::vector<float> cells = gesso::numbers<float>(context->dl_tensor);
    const int64_t columns = context->dl_tensor.shape[2];
    const int64_t height = context->dl_tensor.shape[1] / 2, width = columns / 2;
    std::vector<float> light(static_cast<size_t>(height * width));
    for (int64_t y = 0; y < 2 * height; ++y)
      for (int64_t x = 0; x < 2 * width; ++x)
        light[static_cast<size_t>(y / 2 * width + x / 2)] +=
            cells[static_cast<size_t>(y * columns + x)] / 4;
    return std::make_unique<Brightness>(std::move(light), scale, points);
  }
};

}  // namespace

GESSO_EXPORT_PLUGIN("org.example.my_plugin", "1.0.0", "Example", "Apache-2.0", MyPlugin)
