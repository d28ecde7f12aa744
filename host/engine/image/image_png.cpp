// PNG by libspng.
#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "engine/image/codecs.hpp"
#include "gesso/cpp/error.hpp"

namespace gesso::image {
namespace {

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

// Text and other side data may take this much memory, all together.
constexpr size_t kMaxChunkBytes = size_t{64} << 20;

Context open_decoder(Bytes bytes) {
  Context context(spng_ctx_new(0), spng_ctx_free);
  if (!context) throw std::bad_alloc();
  spng_set_png_buffer(context.get(), bytes.data(), bytes.size());
  spng_set_chunk_limits(context.get(), kMaxChunkBytes, kMaxChunkBytes);
  return context;
}

void check_decoded(int code, std::string_view name) {
  if (code == SPNG_OK) return;
  if (code == SPNG_EMEM) throw std::bad_alloc();
  const bool cut = code == SPNG_EOF || code == SPNG_IO_EOF;
  bad_image(name, cut ? "the PNG is cut short" : "the PNG is damaged", spng_strerror(code));
}

// tEXt and zTXt are Latin-1 by the PNG specification, iTXt is UTF-8.
std::string utf8_of(const spng_text& text) {
  const std::string_view raw(text.text, text.length);
  if (text.type == SPNG_ITXT) return std::string(raw);
  std::string utf8;
  for (unsigned char c : raw) {
    if (c < 0x80) {
      utf8 += static_cast<char>(c);
    } else {
      utf8 += static_cast<char>(0xC0 | (c >> 6));
      utf8 += static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  return utf8;
}

std::vector<TextEntry> text_of(spng_ctx* context, std::string_view name) {
  uint32_t count = 0;
  int code = spng_get_text(context, nullptr, &count);
  if (code == SPNG_ECHUNKAVAIL) return {};
  check_decoded(code, name);
  std::vector<spng_text> raw(count);
  check_decoded(spng_get_text(context, raw.data(), &count), name);
  std::vector<TextEntry> entries;
  for (const spng_text& text : raw) entries.push_back({text.keyword, utf8_of(text)});
  return entries;
}

bool has_alpha(spng_ctx* context, const spng_ihdr& header, std::string_view name) {
  spng_trns transparency;
  const int code = spng_get_trns(context, &transparency);
  if (code != SPNG_ECHUNKAVAIL) check_decoded(code, name);
  return code == SPNG_OK || header.color_type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ||
         header.color_type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA;
}

void check_encoded(int code) {
  if (code == SPNG_OK) return;
  if (code == SPNG_EMEM) throw std::bad_alloc();
  throw Error(Status::InvalidArgument, fmt::format("cannot make a PNG: {}", spng_strerror(code)));
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x80; });
}

void check_entry(const TextEntry& entry) {
  const bool key_fits = !entry.key.empty() && entry.key.size() <= 79 && is_ascii(entry.key);
  const bool value_fits = !entry.value.empty() && entry.value.find('\0') == std::string::npos;
  if (key_fits && value_fits) return;
  throw Error(Status::InvalidArgument,
              fmt::format("PNG text entry \"{}\": expected a key of 1 to 79 ASCII characters and a "
                          "value that is not empty and has no zero byte",
                          entry.key));
}

void set_text(spng_ctx* context, const std::vector<TextEntry>& entries) {
  if (entries.empty()) return;
  char none[] = "";
  std::vector<spng_text> raw(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    check_entry(entries[i]);
    std::memcpy(raw[i].keyword, entries[i].key.c_str(), entries[i].key.size() + 1);
    raw[i].type = is_ascii(entries[i].value) ? SPNG_TEXT : SPNG_ITXT;
    raw[i].text = const_cast<char*>(entries[i].value.c_str());  // only read by libspng
    raw[i].length = entries[i].value.size();
    raw[i].language_tag = raw[i].translated_keyword = none;
  }
  check_encoded(spng_set_text(context, raw.data(), static_cast<uint32_t>(raw.size())));
}

}  // namespace

Image decode_png(Bytes bytes, std::string_view name, int64_t max_pixels) {
  const Context context = open_decoder(bytes);
  spng_ihdr header;
  check_decoded(spng_get_ihdr(context.get(), &header), name);
  check_size(name, header.width, header.height, max_pixels);

  const bool alpha = has_alpha(context.get(), header, name);
  Image image(static_cast<int>(header.width), static_cast<int>(header.height), alpha ? 4 : 3);
  check_decoded(spng_decode_image(context.get(), image.pixels.data(), image.pixels.size(),
                                  alpha ? SPNG_FMT_RGBA8 : SPNG_FMT_RGB8, SPNG_DECODE_TRNS),
                name);
  check_decoded(spng_decode_chunks(context.get()), name);
  image.text = text_of(context.get(), name);
  return image;
}

Size png_size(Bytes bytes, std::string_view name) {
  const Context context = open_decoder(bytes);
  spng_ihdr header;
  check_decoded(spng_get_ihdr(context.get(), &header), name);
  check_size(name, header.width, header.height, DecodeOptions{}.max_pixels);
  return {static_cast<int>(header.width), static_cast<int>(header.height)};
}

std::vector<TextEntry> png_text(Bytes bytes, std::string_view name) {
  return decode_png(bytes, name, DecodeOptions{}.max_pixels).text;
}

std::vector<uint8_t> encode_png(const Image& image) {
  const Context context(spng_ctx_new(SPNG_CTX_ENCODER), spng_ctx_free);
  if (!context) throw std::bad_alloc();
  check_encoded(spng_set_option(context.get(), SPNG_ENCODE_TO_BUFFER, 1));
  spng_ihdr header{};
  header.width = static_cast<uint32_t>(image.width);
  header.height = static_cast<uint32_t>(image.height);
  header.bit_depth = 8;
  header.color_type =
      image.channels == 4 ? SPNG_COLOR_TYPE_TRUECOLOR_ALPHA : SPNG_COLOR_TYPE_TRUECOLOR;
  check_encoded(spng_set_ihdr(context.get(), &header));
  set_text(context.get(), image.text);
  check_encoded(spng_encode_image(context.get(), image.pixels.data(), image.pixels.size(),
                                  SPNG_FMT_PNG, SPNG_ENCODE_FINALIZE));

  size_t size = 0;
  int code = SPNG_OK;
  const std::unique_ptr<void, decltype(&std::free)> buffer(
      spng_get_png_buffer(context.get(), &size, &code), std::free);
  check_encoded(code);
  const auto* begin = static_cast<const uint8_t*>(buffer.get());
  return {begin, begin + size};
}

}  // namespace gesso::image
