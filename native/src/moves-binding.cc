#include "moves-binding.h"

#include <algorithm>
#include <iterator>

#include "arguments.h"
#include "moves.h"

namespace kvmfr {
namespace {

// A picture with its serials, and another state of it.
struct TwoStates {
  TiledPicture picture{};
  std::uint32_t base = 0;
  Rows other{};
};

// Returns false when an argument is refused.
bool Take(Arguments& arguments, TwoStates* states) {
  TiledPicture& picture = states->picture;
  Span<std::uint8_t> pixels;
  picture = arguments.Picture(&pixels);
  picture.tile = arguments.Word();
  const auto serials = arguments.Words();
  picture.serials = serials.at;
  states->base = arguments.Word();
  const auto other = arguments.Bytes();
  states->other = {other.at, arguments.Word()};
  return arguments.good() && PictureFits(pixels, picture) &&
         serials.length >= std::uint64_t{picture.columns()} * picture.lines() &&
         Fits(other.length, 0, states->other.pitch, std::uint64_t{picture.width} * 4,
              picture.height);
}

}  // namespace

Napi::Value FindMoveOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  TwoStates states;
  const bool taken = Take(arguments, &states);
  const auto rest = arguments.Words();
  const auto answer = arguments.Words();
  const TiledPicture& picture = states.picture;
  FoundMove found{};
  const bool good = taken && arguments.good() && answer.length >= 8 &&
                    rest.length * 32 >= std::uint64_t{picture.columns()} * picture.lines();
  if (!good) return Napi::Number::New(info.Env(), -1);
  const ConstRows before = {states.other.at, states.other.pitch};
  if (!FindMove(picture, before, states.base, rest.at, &found)) {
    return Napi::Number::New(info.Env(), 0);
  }
  const auto& [to, from_x, from_y] = found.move;
  const std::uint32_t words[] = {to.x,   to.y,   to.width,      to.height,
                                 from_x, from_y, found.changed, found.rest};
  std::copy(std::begin(words), std::end(words), answer.at);
  return Napi::Number::New(info.Env(), 1);
}

Napi::Value CopyChangedTilesOf(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  TwoStates states;
  if (!Take(arguments, &states)) return Napi::Number::New(info.Env(), -1);
  return Napi::Number::New(info.Env(),
                           CopyChangedTiles(states.other, states.picture, states.base));
}

}  // namespace kvmfr
