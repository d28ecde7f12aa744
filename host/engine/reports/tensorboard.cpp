// Sources: tensorflow/core/lib/io/record_writer.cc (records), core/util/event.proto and
// core/framework/summary.proto (numbers of the fields).
#include "engine/reports/tensorboard.hpp"

#include <fmt/format.h>

#include <bit>
#include <span>

#include "engine/base/crc32c.hpp"
#include "engine/image/image_io.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::reports {
namespace {

// --- Protocol buffers ----------------------------------------------------------------------------

enum Wire { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

template <class T>
void put_little_endian(std::string& out, T value) {
  for (size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i));
}

void put_key(std::string& out, int field, Wire wire) {
  put_varint(out, static_cast<uint64_t>(field) << 3 | wire);
}

void put_int(std::string& out, int field, int64_t value) {
  put_key(out, field, kVarint);
  put_varint(out, static_cast<uint64_t>(value));
}

void put_double(std::string& out, int field, double value) {
  put_key(out, field, kFixed64);
  put_little_endian(out, std::bit_cast<uint64_t>(value));
}

void put_float(std::string& out, int field, float value) {
  put_key(out, field, kFixed32);
  put_little_endian(out, std::bit_cast<uint32_t>(value));
}

void put_bytes(std::string& out, int field, std::string_view value) {
  put_key(out, field, kBytes);
  put_varint(out, value.size());
  out += value;
}

// --- Events
// ----------------------------------------------------------------------------------------

/// An Event with one Summary.Value.
std::string summary(const std::string& value, int64_t step, double seconds) {
  std::string list, event;
  put_bytes(list, 1, value);
  put_double(event, 1, seconds);
  put_int(event, 2, step);
  put_bytes(event, 5, list);
  return event;
}

/// Source: masking of checksums that stand in data which is checksummed itself (record_writer.h).
uint32_t masked(std::string_view bytes) {
  const uint32_t crc = base::crc32c(std::as_bytes(std::span(bytes)));
  return ((crc >> 15) | (crc << 17)) + 0xA282EAD8u;
}

}  // namespace

TensorboardFile::TensorboardFile(const std::filesystem::path& folder, double seconds,
                                 std::string_view name)
    : path_(folder /
            fmt::format("events.out.tfevents.{}.{}", static_cast<int64_t>(seconds), name)) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  file_.open(path_, std::ios::binary | std::ios::app);
  if (!file_) throw Error(Status::Denied, path_.string() + ": the event file cannot be made");
  std::string event;
  put_double(event, 1, seconds);
  put_bytes(event, 3, "brain.Event:2");
  record(event);
}

void TensorboardFile::scalar(std::string_view tag, double value, int64_t step, double seconds) {
  std::string one;
  put_bytes(one, 1, tag);
  put_float(one, 2, static_cast<float>(value));
  record(summary(one, step, seconds));
}

void TensorboardFile::image(std::string_view tag, const image::Image& picture, int64_t step,
                            double seconds) {
  image::Image plain = picture;
  plain.text.clear();
  const auto png = image::encode(plain, image::Format::Png);
  std::string one, pixels;
  put_int(pixels, 1, picture.height);
  put_int(pixels, 2, picture.width);
  put_int(pixels, 3, picture.channels);
  put_bytes(pixels, 4, {reinterpret_cast<const char*>(png.data()), png.size()});
  put_bytes(one, 1, tag);
  put_bytes(one, 4, pixels);
  record(summary(one, step, seconds));
}

void TensorboardFile::record(const std::string& event) {
  std::string bytes;
  put_little_endian(bytes, static_cast<uint64_t>(event.size()));
  put_little_endian(bytes, masked(bytes));
  bytes += event;
  put_little_endian(bytes, masked(event));
  file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file_.flush();
  if (!file_)
    throw Error(Status::Denied, path_.string() + ": cannot be written; is the disk full?");
}

}  // namespace gesso::reports
