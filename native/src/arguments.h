// The arguments of a kernel's call, each checked as it is taken, and whether ranges fit.
#ifndef KVMFR_ARGUMENTS_H_
#define KVMFR_ARGUMENTS_H_

#include <napi.h>

#include <cstdint>

#include "pixels.h"

namespace kvmfr {

// More than 10 000 nits of the darkest SDR white that is believed.
constexpr double kMaxMultiple = 1000;

template <typename Element>
struct Span {
  Element* at = nullptr;
  std::uint64_t length = 0;  // in elements
};

struct PlaneSpan {
  Span<std::uint8_t> bytes;
  std::uint64_t offset = 0;
  std::uint32_t pitch = 0;
};

struct I420Spans {
  PlaneSpan y, u, v;
};

// Takes the arguments of a call one after the other; the first that does not fit spoils the rest.
class Arguments {
 public:
  explicit Arguments(const Napi::CallbackInfo& info) : info_(info) {}

  bool good() const { return good_; }

  Span<std::uint8_t> Bytes() { return Array<std::uint8_t>(napi_uint8_array); }
  Span<std::uint32_t> Words() { return Array<std::uint32_t>(napi_uint32_array); }

  // A whole number up to `max`, which is at most 2^53.
  std::uint64_t Whole(std::uint64_t max) {
    const Napi::Value value = info_[at_++];
    if (!value.IsNumber()) return Spoil();
    const double number = value.As<Napi::Number>().DoubleValue();
    // Written so that NaN fails.
    if (!(number >= 0 && number <= static_cast<double>(max))) return Spoil();
    const std::uint64_t whole = static_cast<std::uint64_t>(number);
    return static_cast<double>(whole) == number ? whole : Spoil();
  }

  std::uint32_t Word() { return static_cast<std::uint32_t>(Whole(UINT32_MAX)); }
  std::uint64_t Offset() { return Whole(std::uint64_t{1} << 53); }
  PixelFormat Format() { return static_cast<PixelFormat>(Whole(kAllPixelFormats - 1)); }

  // What the format's kernels need: the words of a tone map of its kind, or undefined.
  ToneMap ToneMapFor(PixelFormat format) {
    if (!NeedsToneMap(format)) {
      if (!info_[at_++].IsUndefined()) Spoil();
      return {};
    }
    const Span<std::uint32_t> words = Words();
    if (words.length < kToneMapWords || ToneMapIn(words.at).transfer != TransferOf(format)) {
      Spoil();
      return {};
    }
    return ToneMapIn(words.at);
  }

  bool Absent() const { return info_[at_].IsUndefined(); }

  // Rows within a buffer: the buffer, the offset of the first row, and the pitch.
  PlaneSpan Plane() {
    PlaneSpan plane;
    plane.bytes = Bytes();
    plane.offset = Offset();
    plane.pitch = Word();
    return plane;
  }

  // The pixels of a picture, their pitch, width and height; `bytes` is what they lie in.
  TiledPicture Picture(Span<std::uint8_t>* bytes) {
    *bytes = Bytes();
    TiledPicture picture{};
    picture.pixels = {bytes->at, Word()};
    picture.width = Word();
    picture.height = Word();
    return picture;
  }

  // A part of a picture.
  PixelRect Rect() {
    PixelRect rect{};
    rect.x = Word();
    rect.y = Word();
    rect.width = Word();
    rect.height = Word();
    return rect;
  }

  I420Spans Planes() {
    // In this order.
    const PlaneSpan y = Plane();
    const PlaneSpan u = Plane();
    const PlaneSpan v = Plane();
    return {y, u, v};
  }

  double Positive() {
    const Napi::Value value = info_[at_++];
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : 0;
    if (number > 0 && number <= kMaxMultiple) return number;
    Spoil();
    return 1;
  }

  Variant WhichVariant() { return static_cast<Variant>(Whole(kVariants - 1)); }

 private:
  template <typename Element>
  Span<Element> Array(napi_typedarray_type wanted) {
    const Napi::Value value = info_[at_++];
    napi_typedarray_type type;
    std::size_t length = 0;
    void* data = nullptr;
    if (!value.IsTypedArray() ||
        napi_get_typedarray_info(info_.Env(), value, &type, &length, &data, nullptr, nullptr) !=
            napi_ok ||
        type != wanted) {
      Spoil();
      return {};
    }
    if (data == nullptr) length = 0;
    return {static_cast<Element*>(data), length};
  }

  std::uint64_t Spoil() {
    good_ = false;
    return 0;
  }

  const Napi::CallbackInfo& info_;
  std::size_t at_ = 0;
  bool good_ = true;
};

// Whether rows lie within a buffer and do not overlap. Widths, pitches and counts are below 2^32
// and the offset is at most 2^53, so nothing here can overflow 64 bits.
inline bool Fits(std::uint64_t length, std::uint64_t offset, std::uint64_t pitch,
                 std::uint64_t row_bytes, std::uint64_t rows) {
  if (offset > length) return false;
  if (rows == 0 || row_bytes == 0) return true;
  if (rows > 1 && pitch < row_bytes) return false;
  return (rows - 1) * pitch + row_bytes <= length - offset;
}

// Sizes with room to count beyond their ends in 32 bits.
inline bool PictureFits(const Span<std::uint8_t>& buffer, const TiledPicture& picture) {
  return picture.tile > 0 && picture.width <= UINT32_MAX / 4 && picture.height <= UINT32_MAX / 4 &&
         Fits(buffer.length, 0, picture.pixels.pitch, std::uint64_t{picture.width} * 4,
              picture.height);
}

}  // namespace kvmfr

#endif  // KVMFR_ARGUMENTS_H_
