#include "pixels-binding.h"

#include <algorithm>

#include "i420.h"
#include "pixels.h"

namespace kvmfr {
namespace {

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
  PlaneSpan Plane() {
    PlaneSpan plane;
    plane.bytes = Bytes();
    plane.offset = Offset();
    plane.pitch = Word();
    return plane;
  }

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
bool Fits(std::uint64_t length, std::uint64_t offset, std::uint64_t pitch, std::uint64_t row_bytes,
          std::uint64_t rows) {
  if (offset > length) return false;
  if (rows == 0 || row_bytes == 0) return true;
  if (rows > 1 && pitch < row_bytes) return false;
  return (rows - 1) * pitch + row_bytes <= length - offset;
}

// Sizes with room to count beyond their ends in 32 bits.
bool PictureFits(const Span<std::uint8_t>& buffer, const TiledPicture& picture) {
  return picture.tile > 0 && picture.width <= UINT32_MAX / 4 && picture.height <= UINT32_MAX / 4 &&
         Fits(buffer.length, 0, picture.pixels.pitch, std::uint64_t{picture.width} * 4,
              picture.height);
}

bool PlaneFits(const PlaneSpan& plane, std::uint64_t width, std::uint64_t height) {
  return Fits(plane.bytes.length, plane.offset, plane.pitch, width, height);
}

bool PlanesFit(const I420Spans& spans, const TiledPicture& picture) {
  const std::uint64_t half_width = (std::uint64_t{picture.width} + 1) / 2;
  const std::uint64_t half_height = (std::uint64_t{picture.height} + 1) / 2;
  return PlaneFits(spans.y, picture.width, picture.height) &&
         PlaneFits(spans.u, half_width, half_height) && PlaneFits(spans.v, half_width, half_height);
}

Rows RowsOf(const PlaneSpan& plane) { return {plane.bytes.at + plane.offset, plane.pitch}; }

I420Planes PlanesOf(const I420Spans& spans) {
  return {RowsOf(spans.y), RowsOf(spans.u), RowsOf(spans.v)};
}

std::uint64_t TileCount(const TiledPicture& picture) {
  return std::uint64_t{picture.columns()} * picture.lines();
}

// The part of [start, start + extent) below `end`.
std::uint32_t Clip(std::uint32_t start, std::uint32_t extent, std::uint32_t end) {
  return start >= end ? 0 : std::min(extent, end - start);
}

Napi::Value Answer(const Napi::CallbackInfo& info, double value) {
  return Napi::Number::New(info.Env(), value);
}

Napi::Value Refuse(const Napi::CallbackInfo& info) { return Answer(info, -1); }

}  // namespace

Napi::Value CopyRowsOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto to = arguments.Bytes();
  const auto to_offset = arguments.Offset();
  const auto to_pitch = arguments.Word();
  const auto from = arguments.Bytes();
  const auto from_offset = arguments.Offset();
  const auto from_pitch = arguments.Word();
  const auto row_bytes = arguments.Word();
  const auto rows = arguments.Word();
  if (!arguments.good() || !Fits(to.length, to_offset, to_pitch, row_bytes, rows) ||
      !Fits(from.length, from_offset, from_pitch, row_bytes, rows)) {
    return Refuse(info);
  }
  CopyRows({to.at + to_offset, to_pitch}, {from.at + from_offset, from_pitch}, row_bytes, rows);
  return Answer(info, 0);
}

Napi::Value ConvertRowsOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto to = arguments.Bytes();
  const auto to_offset = arguments.Offset();
  const auto to_pitch = arguments.Word();
  const auto from = arguments.Bytes();
  const auto from_offset = arguments.Offset();
  const auto from_pitch = arguments.Word();
  const auto width = arguments.Whole(UINT32_MAX / 4);
  const auto rows = arguments.Word();
  const auto format = arguments.Format();
  const auto variant = arguments.WhichVariant();
  const auto tone_map = arguments.ToneMapFor(format);
  if (!arguments.good() || !Fits(to.length, to_offset, to_pitch, width * 4, rows) ||
      !Fits(from.length, from_offset, from_pitch, width * SourcePixelBytes(format), rows)) {
    return Refuse(info);
  }
  ConvertRows(variant, format, {to.at + to_offset, to_pitch}, {from.at + from_offset, from_pitch},
              width, rows, tone_map);
  return Answer(info, 0);
}

Napi::Value UpdateTilesOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto pixels = arguments.Bytes();
  TiledPicture picture{};
  picture.pixels = {pixels.at, arguments.Word()};
  picture.width = arguments.Word();
  picture.height = arguments.Word();
  picture.tile = arguments.Word();
  const auto serials = arguments.Words();
  picture.serials = serials.at;
  const auto serial = arguments.Word();
  const auto from = arguments.Bytes();
  const auto from_offset = arguments.Offset();
  const auto from_pitch = arguments.Word();
  const auto format = arguments.Format();
  PixelRect rect{};
  rect.x = arguments.Word();
  rect.y = arguments.Word();
  rect.width = arguments.Word();
  rect.height = arguments.Word();
  const auto variant = arguments.WhichVariant();
  const auto tone_map = arguments.ToneMapFor(format);
  const bool also = !arguments.Absent();
  const auto spans = also ? arguments.Planes() : I420Spans{};
  if (!arguments.good() || !PictureFits(pixels, picture) || serials.length < TileCount(picture)) {
    return Refuse(info);
  }
  if (also && (picture.tile % 2 != 0 || !PlanesFit(spans, picture))) return Refuse(info);
  rect.width = Clip(rect.x, rect.width, picture.width);
  rect.height = Clip(rect.y, rect.height, picture.height);
  if (rect.width == 0 || rect.height == 0) return Answer(info, 0);
  // From the frame's first pixel to the rect's last one.
  const std::uint64_t used_width = std::uint64_t{rect.x} + rect.width;
  const std::uint64_t used_rows = std::uint64_t{rect.y} + rect.height;
  if (!Fits(from.length, from_offset, from_pitch, used_width * SourcePixelBytes(format),
            used_rows)) {
    return Refuse(info);
  }
  const I420Planes planes = also ? PlanesOf(spans) : I420Planes{};
  return Answer(
      info, UpdateTiles(variant, picture, serial, format, {from.at + from_offset, from_pitch}, rect,
                        tone_map, also ? &planes : nullptr));
}

Napi::Value ConvertToI420Of(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto pixels = arguments.Bytes();
  TiledPicture picture{};
  picture.pixels = {pixels.at, arguments.Word()};
  picture.width = arguments.Word();
  picture.height = arguments.Word();
  picture.tile = 1;
  PixelRect rect{};
  rect.x = arguments.Word();
  rect.y = arguments.Word();
  rect.width = arguments.Word();
  rect.height = arguments.Word();
  const auto variant = arguments.WhichVariant();
  const auto spans = arguments.Planes();
  if (!arguments.good() || !PictureFits(pixels, picture) || !PlanesFit(spans, picture)) {
    return Refuse(info);
  }
  rect.width = Clip(rect.x, rect.width, picture.width);
  rect.height = Clip(rect.y, rect.height, picture.height);
  if (rect.width == 0 || rect.height == 0) return Answer(info, 0);
  const bool ends_well = (rect.width % 2 == 0 || rect.x + rect.width == picture.width) &&
                         (rect.height % 2 == 0 || rect.y + rect.height == picture.height);
  if (rect.x % 2 != 0 || rect.y % 2 != 0 || !ends_well) return Refuse(info);
  ConvertToI420(variant, PlanesOf(spans), {pixels.at, picture.pixels.pitch}, rect);
  return Answer(info, 0);
}

Napi::Value FillToneMapOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto words = arguments.Words();
  const auto transfer = static_cast<Transfer>(arguments.Whole(kTransfers - 1));
  const auto gain = arguments.Positive();
  const auto peak = arguments.Positive();
  if (!arguments.good() || words.length < kToneMapWords || peak < 1) return Refuse(info);
  FillToneMap(words.at, transfer, gain, peak);
  return Answer(info, 0);
}

Napi::Value PackTilesOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto to = arguments.Bytes();
  const auto to_offset = arguments.Offset();
  const auto pixels = arguments.Bytes();
  TiledPicture picture{};
  picture.pixels = {pixels.at, arguments.Word()};
  picture.width = arguments.Word();
  picture.height = arguments.Word();
  picture.tile = arguments.Word();
  const auto tiles = arguments.Words();
  const auto count = arguments.Word();
  const auto bytes_per_pixel = arguments.Word();
  const auto variant = arguments.WhichVariant();
  if (!arguments.good() || !PictureFits(pixels, picture) || count > tiles.length ||
      (bytes_per_pixel != 3 && bytes_per_pixel != 4) || to_offset > to.length) {
    return Refuse(info);
  }
  std::uint64_t written = 0;
  const bool packed = PackTiles(variant, to.at + to_offset, to.length - to_offset, picture,
                                tiles.at, count, bytes_per_pixel, &written);
  return packed ? Answer(info, static_cast<double>(written)) : Refuse(info);
}

Napi::Value KernelVariantOf(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), BestVariantName());
}

}  // namespace kvmfr
