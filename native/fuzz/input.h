// The bytes of one input, taken one after the other; where they end, zeros follow. And memory of
// exactly as many bytes as are asked for, so that the sanitizer guards both ends.
#ifndef KVMFR_FUZZ_INPUT_H_
#define KVMFR_FUZZ_INPUT_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace kvmfr_fuzz {

class Input {
 public:
  Input(const std::uint8_t* at, std::size_t size) : at_(at), left_(size) {}

  std::uint8_t Byte() {
    if (left_ == 0) return 0;
    --left_;
    return *at_++;
  }
  std::uint32_t Word() {
    std::uint32_t word = 0;
    for (int i = 0; i < 4; ++i) word = word << 8 | Byte();
    return word;
  }
  // 0 to limit - 1.
  std::uint32_t Below(std::uint32_t limit) { return (Byte() << 8 | Byte()) % limit; }
  bool empty() const { return left_ == 0; }

  // A part of what is left, over and over: a large picture from a small input.
  void Fill(std::uint8_t* to, std::size_t bytes) {
    const std::size_t period = left_ < 256 ? left_ : 256;
    if (period == 0) {
      std::memset(to, 0, bytes);
      return;
    }
    for (std::size_t i = 0; i < bytes; ++i) to[i] = at_[i % period] ^ static_cast<std::uint8_t>(i / period);
    at_ += period;
    left_ -= period;
  }

 private:
  const std::uint8_t* at_;
  std::size_t left_;
};

class Buffer {
 public:
  explicit Buffer(std::size_t size)
      : bytes_(static_cast<std::uint8_t*>(std::calloc(1, size))), size_(size) {}
  Buffer(const Buffer& other) : Buffer(other.size_) {
    if (size_ != 0) std::memcpy(bytes_, other.bytes_, size_);
  }
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(bytes_); }

  std::uint8_t* at(std::size_t offset = 0) { return bytes_ + offset; }
  std::size_t size() const { return size_; }
  bool operator==(const Buffer& other) const {
    return size_ == other.size_ && (size_ == 0 || std::memcmp(bytes_, other.bytes_, size_) == 0);
  }

 private:
  std::uint8_t* bytes_;
  std::size_t size_;
};

// What must be so.
inline void Claim(bool truth, const char* what) {
  if (truth) return;
  std::fprintf(stderr, "not so: %s\n", what);
  std::abort();
}

inline std::size_t Needed(std::size_t pitch, std::size_t row_bytes, std::size_t rows) {
  return rows == 0 ? 0 : (rows - 1) * pitch + row_bytes;
}

}  // namespace kvmfr_fuzz

#endif  // KVMFR_FUZZ_INPUT_H_
