#include "pixels-binding.h"

#include <algorithm>

#include "arguments.h"
#include "i420.h"
#include "pixels.h"

namespace kvmfr {
namespace {

bool PlaneFits(const PlaneSpan& plane, std::uint64_t row_bytes, std::uint64_t rows) {
  return Fits(plane.bytes.length, plane.offset, plane.pitch, row_bytes, rows);
}

bool PlanesFit(const I420Spans& spans, const TiledPicture& picture) {
  const std::uint64_t half_width = (std::uint64_t{picture.width} + 1) / 2;
  const std::uint64_t half_height = (std::uint64_t{picture.height} + 1) / 2;
  return PlaneFits(spans.y, picture.width, picture.height) &&
         PlaneFits(spans.u, half_width, half_height) && PlaneFits(spans.v, half_width, half_height);
}

Rows RowsOf(const PlaneSpan& plane) { return {plane.bytes.at + plane.offset, plane.pitch}; }

ConstRows ConstRowsOf(const PlaneSpan& plane) {
  return {plane.bytes.at + plane.offset, plane.pitch};
}

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
  const auto to = arguments.Plane();
  const auto from = arguments.Plane();
  const auto row_bytes = arguments.Word();
  const auto rows = arguments.Word();
  if (!arguments.good() || !PlaneFits(to, row_bytes, rows) ||
      !PlaneFits(from, row_bytes, rows)) {
    return Refuse(info);
  }
  CopyRows(RowsOf(to), ConstRowsOf(from), row_bytes, rows);
  return Answer(info, 0);
}

Napi::Value ConvertRowsOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  const auto to = arguments.Plane();
  const auto from = arguments.Plane();
  const auto width = arguments.Whole(UINT32_MAX / 4);
  const auto rows = arguments.Word();
  const auto format = arguments.Format();
  const auto variant = arguments.WhichVariant();
  const auto tone_map = arguments.ToneMapFor(format);
  if (!arguments.good() || !PlaneFits(to, width * 4, rows) ||
      !PlaneFits(from, width * SourcePixelBytes(format), rows)) {
    return Refuse(info);
  }
  ConvertRows(variant, format, RowsOf(to), ConstRowsOf(from), width, rows, tone_map);
  return Answer(info, 0);
}

Napi::Value UpdateTilesOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Span<std::uint8_t> pixels;
  auto picture = arguments.Picture(&pixels);
  picture.tile = arguments.Word();
  const auto serials = arguments.Words();
  picture.serials = serials.at;
  const auto serial = arguments.Word();
  const auto from = arguments.Plane();
  const auto format = arguments.Format();
  auto rect = arguments.Rect();
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
  if (!PlaneFits(from, used_width * SourcePixelBytes(format), used_rows)) return Refuse(info);
  const I420Planes planes = also ? PlanesOf(spans) : I420Planes{};
  return Answer(info, UpdateTiles(variant, picture, serial, format, ConstRowsOf(from), rect,
                                  tone_map, also ? &planes : nullptr));
}

Napi::Value ConvertToI420Of(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  Span<std::uint8_t> pixels;
  auto picture = arguments.Picture(&pixels);
  picture.tile = 1;
  auto rect = arguments.Rect();
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
  Span<std::uint8_t> pixels;
  auto picture = arguments.Picture(&pixels);
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
