#include "net/grpc.h"

#include <fmt/format.h>

#include <cstdint>

#include "base/bytes.h"

namespace narthex::net {
namespace {

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string GrpcFrame(std::string_view message, bool compressed) {
  std::string frame;
  frame.reserve(kGrpcPrefixBytes + message.size());
  frame += compressed ? '\1' : '\0';
  base::PutBigEndian(frame, static_cast<uint32_t>(message.size()));
  frame += message;
  return frame;
}

std::string EncodeGrpcMessage(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c >= ' ' && c <= '~' && c != '%') {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string DecodeGrpcMessage(std::string_view encoded) {
  std::string out;
  while (!encoded.empty()) {
    const base::Result<std::string> byte =
        encoded.front() == '%' ? PercentDecode(encoded.substr(0, 3))
                               : base::Result<std::string>(std::string(1, encoded.front()));
    out += byte.value_or("%");
    encoded.remove_prefix(encoded.front() == '%' && byte.has_value() ? 3 : 1);
  }
  return out;
}

std::string EncodeBase64(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const std::string_view group = bytes.substr(i, 3);
    uint32_t bits = 0;
    for (size_t j = 0; j < 3; ++j) {
      bits = bits << 8 | (j < group.size() ? static_cast<unsigned char>(group[j]) : 0u);
    }
    for (size_t j = 0; j < 4; ++j) {
      out += j <= group.size() ? kBase64[bits >> (18 - 6 * j) & 63] : '=';
    }
  }
  return out;
}

std::string DecodeBase64(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  std::string out;
  uint32_t bits = 0;
  unsigned count = 0;
  for (const char c : text) {
    const size_t value = kBase64.find(c);
    if (value == std::string_view::npos) return {};
    bits = bits << 6 | static_cast<uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>(bits >> count & 0xff);
  }
  return out;
}

}  // namespace narthex::net
