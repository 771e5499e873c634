//===- Svg.cpp - Writing a picture as SVG ----------------------------------===//
#include "tools/regimen-plan/Svg.h"

#include <cstdint>
#include <cstdio>
#include <vector>

using namespace regimen::plan;

/// The characters of UTF-8 text, each as its bytes; U+FFFD for what is no character of XML.
static std::vector<std::string> charactersOf(std::string_view text) {
  std::vector<std::string> characters;
  for (size_t i = 0; i < text.size();) {
    auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
    const unsigned char lead = byte(i);
    const size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    uint32_t code = length == 1 ? lead : lead & (0x7Fu >> length);
    bool valid = (lead < 0x80 || (lead >= 0xC2 && lead < 0xF5)) && i + length <= text.size();
    for (size_t k = 1; valid && k < length; ++k) {
      valid = (byte(i + k) & 0xC0) == 0x80;
      code = code << 6 | (byte(i + k) & 0x3Fu);
    }
    static constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const bool character = valid && code >= least[length] && code >= 0x20 && code != 0x7F &&
                           !(code >= 0xD800 && code < 0xE000) && code < 0x110000 &&
                           (code & 0xFFFE) != 0xFFFE;
    characters.push_back(character ? std::string(text.substr(i, length)) : "\xEF\xBF\xBD");
    i += valid ? length : 1;
  }
  return characters;
}

std::string regimen::plan::escape(std::string_view text) {
  std::string result;
  for (const std::string &character : charactersOf(text))
    result += character == "&"    ? "&amp;"
              : character == "<"  ? "&lt;"
              : character == ">"  ? "&gt;"
              : character == "\"" ? "&quot;"
                                  : character;
  return result;
}

std::string regimen::plan::shorten(std::string_view text, size_t most, bool keepEnd) {
  std::vector<std::string> characters = charactersOf(text);
  const bool cut = characters.size() > most;
  const size_t kept = cut ? most - 1 : characters.size();
  std::string result = cut && keepEnd ? "…" : "";
  for (size_t i = 0; i < kept; ++i)
    result += characters[keepEnd ? characters.size() - kept + i : i];
  return result + (cut && !keepEnd ? "…" : "");
}

std::string regimen::plan::coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.2f", value);
  std::string result = text;
  result.erase(result.find_last_not_of('0') + 1);
  if (result.back() == '.')
    result.pop_back();
  return result == "-0" ? "0" : result;
}

/// ` name="value"`.
static std::string attribute(const char *name, const std::string &value) {
  return std::string(" ") + name + "=\"" + value + "\"";
}
static std::string attribute(const char *name, double value) {
  return attribute(name, coordinate(value));
}

/// The end of an element without other contents.
static std::string close(const char *element, Svg::Tip tip) {
  if (tip.text.empty())
    return "/>\n";
  return "><title>" + escape(tip.text) + "</title></" + element + ">\n";
}

Svg::Svg(double width, double height, std::string_view style)
    : body("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\"" +
           attribute("width", width) + attribute("height", height) +
           attribute("viewBox", "0 0 " + coordinate(width) + " " + coordinate(height)) +
           ">\n<style>\n") {
  body.append(style).append("</style>\n");
}

void Svg::rect(double x, double y, double width, double height, std::string_view type, Tip tip) {
  body += "<rect" + attribute("class", std::string(type)) + attribute("x", x) + attribute("y", y) +
          attribute("width", width) + attribute("height", height) + close("rect", tip);
}

void Svg::line(double x1, double y1, double x2, double y2, std::string_view type) {
  body += "<line" + attribute("class", std::string(type)) + attribute("x1", x1) +
          attribute("y1", y1) + attribute("x2", x2) + attribute("y2", y2) + "/>\n";
}

void Svg::circle(double x, double y, double radius, std::string_view type) {
  body += "<circle" + attribute("class", std::string(type)) + attribute("cx", x) +
          attribute("cy", y) + attribute("r", radius) + "/>\n";
}

void Svg::path(const std::string &commands, std::string_view type, Tip tip) {
  body += "<path" + attribute("class", std::string(type)) + attribute("d", commands) +
          close("path", tip);
}

void Svg::text(double x, double y, std::string_view text, std::string_view type,
               std::string_view attributes, Tip tip) {
  body += "<text" + attribute("class", std::string(type)) + attribute("x", x) + attribute("y", y);
  if (!attributes.empty())
    body.append(" ").append(attributes);
  body += ">" + escape(text);
  if (!tip.text.empty())
    body += "<title>" + escape(tip.text) + "</title>";
  body += "</text>\n";
}

void Svg::metadata(std::string_view text) { body += "<metadata>" + escape(text) + "</metadata>\n"; }

std::string Svg::finish() && { return std::move(body) + "</svg>\n"; }
