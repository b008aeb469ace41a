// Shows what changed on an open page without a reload.
//
// A page marks one part with `data-live` (seconds from one look to the next) and `data-live-version`. The script asks for the
// same page with that version as If-None-Match: 304 means that nothing changed, else the part of the page that came takes the
// place of the one that is shown. What was being done there is not taken away: the new part waits while the focus, a
// selection or a hand is in the old one, unless it is marked `data-live-at-once` and the old one is not. A polite status above
// the part says what happened, and a button beside it stops all this. A page is looked at again only while somebody is there:
// each look is a read of people's records, and is recorded as one.
"use strict";
(() => {
  const ANSWER_MS_MAX = 10_000;
  // Between two looks, however often they failed.
  const PAUSE_MS_MAX = 15 * 60_000;
  // Without a key, a pointer or a scroll: nobody is there.
  const IDLE_MS_MAX = 10 * 60_000;
  // After somebody's last touch of the part.
  const HANDS_OFF_MS = 3_000;
  const GONE = [401, 403, 404];

  let part = document.querySelector("[data-live]");
  if (!part) return;
  const every = Number(part.dataset.live) * 1000;
  let pause = every;
  let timer, waiting, showing;
  let looked = Date.now(), touched = Date.now(), handled = 0;
  let isAsleep = false, isStopped = false, isOver = false;

  const said = document.createElement("div");
  said.setAttribute("role", "status");
  said.className = "nhsuk-body-s nhsuk-u-secondary-text-colour";
  said.tabIndex = -1;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "nhsuk-button nhsuk-button--secondary nhsuk-button--small nhsuk-u-margin-bottom-4";
  button.textContent = "Stop showing changes";
  part.before(said, button);
  // Once, however often it is found again.
  const say = (words) => { if (said.textContent !== words) said.textContent = words; };

  const isBusy = () => {
    const selection = document.getSelection();
    return part.contains(document.activeElement) || Date.now() - handled < HANDS_OFF_MS ||
      (selection && !selection.isCollapsed && part.contains(selection.anchorNode));
  };

  const show = () => {
    clearTimeout(showing);
    if (!waiting) return;
    const isAtOnce = "liveAtOnce" in waiting.dataset && !("liveAtOnce" in part.dataset);
    if (isStopped && !isAtOnce) return;
    if (isBusy() && !isAtOnce) {
      say("Something changed here. It is shown when you leave this part of the page.");
      showing = setTimeout(show, HANDS_OFF_MS);
      return;
    }
    for (const element of waiting.querySelectorAll("[autofocus]")) element.removeAttribute("autofocus");
    const hadFocus = part.contains(document.activeElement);
    part.replaceWith(waiting);
    part = waiting;
    waiting = undefined;
    const time = new Date().toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
    say(`Something changed here at ${time}.`);
    if (hadFocus) said.focus();
  };

  // Whoever may not see it any more does not go on seeing it.
  const end = () => {
    isOver = true;
    clearTimeout(showing);
    const hadFocus = part.contains(document.activeElement) || document.activeElement === button;
    part.replaceChildren();
    button.remove();
    document.title = "Fettle";
    say("What was here is not shown any more. Load the page again.");
    if (hadFocus) said.focus();
  };

  const next = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(look, ms);
  };

  async function look() {
    isAsleep = document.visibilityState !== "visible" || Date.now() - touched > IDLE_MS_MAX;
    if (isAsleep || isStopped || isOver) return;
    looked = Date.now();
    try {
      const version = (waiting ?? part).dataset.liveVersion;
      const answer = await fetch(location.href, {
        cache: "no-store", redirect: "error", headers: { "If-None-Match": `W/"${version}"` }, signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      if (GONE.includes(answer.status)) return end();
      if (answer.status !== 304) {
        if (!answer.ok) throw new Error(`answered ${answer.status}`);
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        waiting = document.adoptNode(page.querySelector("[data-live]"));
        show();
      }
      pause = every;
    } catch {
      // No network, a service that rests, a page that has no such part any more: later, and each time later still.
      pause = Math.min(2 * pause, PAUSE_MS_MAX);
    }
    next(pause);
  }

  const wake = () => {
    touched = Date.now();
    if (!isAsleep || isOver || document.visibilityState !== "visible") return;
    isAsleep = false;
    next(Math.max(0, looked + pause - Date.now()));
  };
  button.addEventListener("click", () => {
    isStopped = !isStopped;
    button.textContent = isStopped ? "Show changes again" : "Stop showing changes";
    say(isStopped ? "Changes are not shown." : "Changes are shown again.");
    wake();
    show();
    next(Math.max(0, looked + pause - Date.now()));
  });
  for (const event of ["keydown", "pointerdown", "pointermove", "wheel", "scroll", "touchstart"]) {
    document.addEventListener(event, (at) => {
      if (at.target instanceof Node && part.contains(at.target)) handled = Date.now();
      wake();
    }, { capture: true, passive: true });
  }
  document.addEventListener("visibilitychange", wake);
  next(every);
})();
