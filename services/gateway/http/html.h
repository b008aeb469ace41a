// HTML in the order in which it is read, and the frame that all pages share. Styles are those of
// the NHS design system (nhsuk-frontend).
#ifndef FETTLE_SERVICES_GATEWAY_HTTP_HTML_H_
#define FETTLE_SERVICES_GATEWAY_HTTP_HTML_H_

#include <string>
#include <string_view>
#include <utility>

#include "libs/http/message.h"

namespace fettle::gateway {

// `&`, `<`, `>`, both quotes as entities.
std::string EscapeHtml(std::string_view text);

// Markup that is written in the code: the compiler takes nothing else, so whatever is shown has to
// go through Html::Text.
class Literal {
 public:
  consteval Literal(const char* text) : text_(text) {}
  std::string_view text() const { return text_; }

 private:
  std::string_view text_;
};

class Html {
 public:
  Html& Raw(Literal markup) {
    text_ += markup.text();
    return *this;
  }
  Html& RawIf(bool condition, Literal markup, Literal otherwise = "") {
    return Raw(condition ? markup : otherwise);
  }
  // Escaped: inside an element, or inside the double quotes of an attribute's value.
  Html& Text(std::string_view text) {
    text_ += EscapeHtml(text);
    return *this;
  }
  Html& Add(const Html& other) {
    text_ += other.text_;
    return *this;
  }

  Html& Paragraph(std::string_view text) { return Raw("<p>").Text(text).Raw("</p>\n"); }
  Html& Link(std::string_view href, std::string_view text) {
    return Raw("<a href=\"").Text(href).Raw("\">").Text(text).Raw("</a>");
  }
  // What a person wrote, with its line breaks.
  Html& Words(std::string_view text);

  bool empty() const { return text_.empty(); }
  std::string_view text() const { return text_; }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

// Who is signed in, as the header shows it.
struct Viewer {
  std::string subject;
  std::string name;  // for people to read; may be empty
  std::string organisation;
  std::string role;
};

// What stands around a page.
struct Frame {
  // With one: the ways to the pages of the day's work, and out.
  const Viewer* viewer = nullptr;
  // The page among those ways that is shown, by its path.
  std::string_view current = {};
  // Where the link above the page leads; none when empty.
  std::string_view back_path = {};
  std::string_view back_text = {};
  // A form came back: the title says so, because it is read first.
  bool has_errors = false;
  // Of the part that shows what changed while the page is open (AddLive); none when empty.
  std::string_view live_version = {};
};

// Between two looks at an open page. Each is a read of people's records that is recorded, and a
// worker has such a page open all day: once a minute is soon enough for what people do, and makes
// no more records in an hour than opening a page a minute does.
inline constexpr int kLiveSeconds = 60;
// Of a page that shows nobody's data and costs nothing to make.
inline constexpr int kLiveFiguresSeconds = 10;

struct Live {
  std::string_view version;
  int seconds = kLiveSeconds;
  // A part without this is not shown a moment longer, whoever stands in it.
  bool is_at_once = false;
};

// Marks a part of a page that the script keeps as the server would show it now (live.js). A page
// has one at most. Nothing is different without the script.
void AddLive(Html& html, const Html& part, const Live& live);
// Tells one state of a part from another.
std::string LiveVersion(std::string_view shown);
// The browser shows that version already.
bool IsShown(const http::Request& request, std::string_view version);
// What is answered then.
http::Response NothingNew(std::string_view version);
// The page, unless the browser shows its live part already.
http::Response UnlessShown(const http::Request& request, http::Response page);

// Nobody keeps a page (no-store), and it loads nothing from elsewhere. One with a live part has its
// version as ETag.
http::Response Page(int status, std::string_view title, Html body, const Frame& frame = {});

}  // namespace fettle::gateway

#endif  // FETTLE_SERVICES_GATEWAY_HTTP_HTML_H_
