//===- Svg.h - Writing a picture as SVG -------------------------*- C++ -*-===//
#ifndef REGIMEN_TOOLS_REGIMENPLAN_SVG_H
#define REGIMEN_TOOLS_REGIMENPLAN_SVG_H

#include <string>
#include <string_view>

namespace regimen::plan {

/// Builds one self-contained SVG document. Texts may hold any bytes: what XML cannot hold becomes
/// U+FFFD.
class Svg {
public:
  Svg(double width, double height, std::string_view style);

  /// What a reader sees who holds the pointer over an element.
  struct Tip {
    std::string_view text;
  };
  void rect(double x, double y, double width, double height, std::string_view type, Tip tip = {});
  void line(double x1, double y1, double x2, double y2, std::string_view type);
  void circle(double x, double y, double radius, std::string_view type);
  /// `commands` is a path's d attribute.
  void path(const std::string &commands, std::string_view type, Tip tip = {});
  /// `attributes` are further attributes as they stand, e.g. text-anchor="end".
  void text(double x, double y, std::string_view text, std::string_view type,
            std::string_view attributes = {}, Tip tip = {});
  /// Machine-readable text that is not drawn.
  void metadata(std::string_view text);

  /// The document.
  std::string finish() &&;

private:
  std::string body;
};

/// A coordinate: at most two decimals.
std::string coordinate(double value);
/// `text` without what XML gives a meaning or cannot hold.
std::string escape(std::string_view text);
/// At most `most` characters of `text`, the last or the first one an ellipsis where it is longer.
std::string shorten(std::string_view text, size_t most, bool keepEnd = false);

} // namespace regimen::plan

#endif // REGIMEN_TOOLS_REGIMENPLAN_SVG_H
