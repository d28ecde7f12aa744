// A tiny tokenizer.json that tests change and write to a temporary folder.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>

#include "byte_level.hpp"
#include "temporary_folder.hpp"
#include "tokenizer.hpp"
#include "unicode.hpp"

/// All 256 bytes as ids 0..255, then "ab" 256, "abc" 257, "bc" 258; no normalizer.
inline nlohmann::json small_tokenizer() {
  nlohmann::json vocab = nlohmann::json::object();
  for (int byte = 0; byte < 256; ++byte)
    vocab[gesso::bpe::utf8_of(gesso::bpe::character_of(static_cast<uint8_t>(byte)))] = byte;
  vocab["ab"] = 256;
  vocab["abc"] = 257;
  vocab["bc"] = 258;
  return {
      {"added_tokens", nlohmann::json::array()},
      {"normalizer", nullptr},
      {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}}},
      {"model",
       {{"type", "BPE"},
        {"vocab", vocab},
        {"merges", nlohmann::json::array({{"a", "b"}, {"ab", "c"}, {"b", "c"}})}}}};
}

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

inline gesso::bpe::Tokenizer load(const nlohmann::json& tokenizer) {
  const TemporaryFolder folder;
  write_text(folder.path / "tokenizer.json", tokenizer.dump());
  return gesso::bpe::Tokenizer(folder.path);
}
