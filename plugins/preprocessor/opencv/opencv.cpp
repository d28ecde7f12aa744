// Control maps of photographs, by OpenCV: canny edges, gray, blur, tile.
//
// | Component | Parameter            | Type | Range    | Default | Meaning |
// |-----------|----------------------|------|----------|---------|---------------------------------|
// | canny     | canny_low_threshold  | int  | 0..1000  | 100     | weaker edges are dropped | | |
// canny_high_threshold | int  | 0..1000  | 200     | stronger edges are always kept  | | gray | |
// |          |         | luma in three equal channels    | | blur      | blur_kernel_size     | int
// | 1..255   | 15      | odd; side of the Gaussian       | | tile      | tile_downscale       |
// real | 1..64    | 4       | how much smaller the picture is | |           | |      |          |
// | made, and large again           |
//
// Pictures are rounded to 8 bits first, as OpenCV's own programs have them. One thread computes, so
// that a map does not depend on the machine.
//
// Example:
//   [[generate.controlnet_inputs]]
//   image = "photo.png"
//   processor_id = "canny"
//   processor = { canny_low_threshold = 50, canny_high_threshold = 150 }
#include <opencv2/imgproc.hpp>

#include "gesso/cpp/plugin.hpp"
#include "gesso/kind/codec.h"
#include "gesso/kind/preprocessor.h"
#include "picture.hpp"

namespace gesso::opencv {
namespace {

/// T has `static cv::Mat process(const cv::Mat& rgb, const Values&)`.
template <class T>
class Preprocessor : public Component<T, ModuleInterface> {
 public:
  static const std::vector<Op<T>>& ops() {
    static const std::vector<Op<T>> list{
        {.name = GESSO_OP_PROCESS,
         .inputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
         .outputs = {{GESSO_PORT_PIXELS, "3 H W", kPerItem, "f32"}},
         .run = &T::run}};
    return list;
  }
  void run(const Call& call, const Inputs& inputs, Outputs& outputs) {
    cv::setNumThreads(1);
    const auto pictures = inputs.list(GESSO_PORT_PIXELS);
    if (pictures.empty()) throw Error(Status::InvalidArgument, "process: no pixels were given");
    size_t item = 0;
    for (const gesso_tensor_t* pixels : pictures) {
      call.poll();
      const cv::Mat map = T::process(to_mat(pixels->dl_tensor, item), inputs.values());
      outputs.put(GESSO_PORT_PIXELS, static_cast<int32_t>(item++), to_tensor(map));
    }
  }
};

cv::Mat gray_of(const cv::Mat& rgb) {
  cv::Mat gray;
  cv::cvtColor(rgb, gray, cv::COLOR_RGB2GRAY);
  return gray;
}

class Canny : public Preprocessor<Canny> {
 public:
  static constexpr Info info{.id = "org.gesso.opencv.canny",
                             .kind = "preprocessor",
                             .name = "Canny edges",
                             .version = "1.0.0",
                             .summary = "White edges on black"};
  static cv::Mat process(const cv::Mat& rgb, const Values& values) {
    const int64_t low = values.integer("canny_low_threshold", 100);
    const int64_t high = values.integer("canny_high_threshold", 200);
    if (low > high) {
      throw Error(Status::InvalidArgument,
                  "canny_low_threshold: expected at most canny_high_threshold (" +
                      std::to_string(high) + "), found " + std::to_string(low));
    }
    cv::Mat edges;
    cv::Canny(rgb, edges, static_cast<double>(low), static_cast<double>(high));
    return edges;
  }
};

class Gray : public Preprocessor<Gray> {
 public:
  static constexpr Info info{.id = "org.gesso.opencv.gray",
                             .kind = "preprocessor",
                             .name = "Gray",
                             .version = "1.0.0",
                             .summary = "Luma in three equal channels"};
  static cv::Mat process(const cv::Mat& rgb, const Values&) { return gray_of(rgb); }
};

class Blur : public Preprocessor<Blur> {
 public:
  static constexpr Info info{.id = "org.gesso.opencv.blur",
                             .kind = "preprocessor",
                             .name = "Blur",
                             .version = "1.0.0",
                             .summary = "A Gaussian blur"};
  static cv::Mat process(const cv::Mat& rgb, const Values& values) {
    const auto side = static_cast<int>(values.integer("blur_kernel_size", 15));
    if (side < 1 || side % 2 == 0) {
      throw Error(Status::InvalidArgument,
                  "blur_kernel_size: expected an odd number, found " + std::to_string(side));
    }
    cv::Mat blurred;
    cv::GaussianBlur(rgb, blurred, {side, side}, /*sigmaX=*/0);
    return blurred;
  }
};

class Tile : public Preprocessor<Tile> {
 public:
  static constexpr Info info{.id = "org.gesso.opencv.tile",
                             .kind = "preprocessor",
                             .name = "Tile",
                             .version = "1.0.0",
                             .summary = "The picture without its fine details"};
  static cv::Mat process(const cv::Mat& rgb, const Values& values) {
    const double factor = values.real("tile_downscale", 4.0);
    const cv::Size small(std::max(1, cvRound(rgb.cols / factor)),
                         std::max(1, cvRound(rgb.rows / factor)));
    if (small == rgb.size()) return rgb;
    cv::Mat reduced, result;
    cv::resize(rgb, reduced, small, 0, 0, cv::INTER_AREA);
    cv::resize(reduced, result, rgb.size(), 0, 0, cv::INTER_CUBIC);
    return result;
  }
};

}  // namespace
}  // namespace gesso::opencv

GESSO_EXPORT_PLUGIN("org.gesso.opencv", "1.0.0", "Gesso", "Apache-2.0", gesso::opencv::Canny,
                    gesso::opencv::Gray, gesso::opencv::Blur, gesso::opencv::Tile)
