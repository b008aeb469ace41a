// A link worker's day in a browser: Chromium, driven by the keyboard alone, at the width of a phone and of a desk.
//
// Method: pages_test.py has started the services and says in FETTLE_PAGES who is there. Every page that is opened is
// checked by axe for WCAG 2.2 AA, and must not be wider than its window.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";

const require = createRequire(process.env.FETTLE_NODE_MODULES);
const { chromium } = require("playwright-core");
const { AxeBuilder } = require("@axe-core/playwright");

const { url, tokens, referrals } = JSON.parse(process.env.FETTLE_PAGES);
const WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"];
const TABS_MAX = 80;
const PHONE = { width: 390, height: 844 };
const DESKTOP = { width: 1280, height: 900 };

let browser;
before(async () => {
  // Chromium's own sandbox needs rights that a container's root does not have; it opens our pages alone.
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(() => browser.close());

// A browser of its own; `who`: signed in from the beginning.
async function open(who, options = {}) {
  const context = await browser.newContext({ viewport: DESKTOP, ...options });
  if (who) {
    await context.addCookies([{ name: "fettle_token", value: tokens[who], url, httpOnly: true, sameSite: "Strict" }]);
  }
  const page = await context.newPage();
  page.setDefaultTimeout(10_000);
  return page;
}

async function check(page) {
  const { violations } = await new AxeBuilder({ page }).withTags(WCAG).analyze();
  const said = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
  assert.deepEqual(said, [], `axe on ${page.url()}`);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, `${page.url()} is wider than its window`);
}

async function visit(page, path, status = 200) {
  const response = await page.goto(url + path);
  assert.equal(response.status(), status, path);
  await check(page);
}

// What has the focus: its label, or its text.
const focused = (page) => page.evaluate(() => {
  const element = document.activeElement;
  const legend = element.type === "radio" || element.type === "checkbox" ? element.closest("fieldset")?.querySelector("legend") : null;
  return [legend, element.labels?.[0], element].map((at) => (at?.innerText ?? "").replace(/\s+/g, " ").trim()).filter(Boolean);
});

// Presses Tab until what is named has the focus.
async function tabTo(page, name) {
  for (let i = 0; i < TABS_MAX; ++i) {
    await page.keyboard.press("Tab");
    if ((await focused(page)).includes(name)) return;
  }
  assert.fail(`Tab does not reach "${name}" on ${page.url()}`);
}

// Enter on a link or a button, and the page behind it.
async function enter(page, name) {
  await tabTo(page, name);
  await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
  await check(page);
}

// The option of a group of radios, by arrows.
async function choose(page, legend, option) {
  await tabTo(page, legend);
  await page.keyboard.press("Space");
  for (let i = 0; i < 20 && !(await focused(page)).includes(option); ++i) await page.keyboard.press("ArrowDown");
  assert.ok((await focused(page)).includes(option), `${legend}: ${option}`);
}

async function type(page, label, text) {
  await tabTo(page, label);
  await page.keyboard.type(text);
}

const state = (page) => page.locator("main .nhsuk-tag").first().innerText();
const said = (page) => page.locator(".nhsuk-notification-banner__heading").innerText();
const steps = (page, title) => page.locator("ol h3", { hasText: title }).count();

async function wholeDay(viewport, id, name) {
  const page = await open(null, { viewport });
  await visit(page, "/");
  await page.goto(`${url}/`);
  await enter(page, "Go to your work");
  assert.equal(await page.locator("h1").innerText(), "Sign in");
  await type(page, "Token", tokens.wendy);
  await enter(page, "Sign in");
  assert.equal(await page.locator("h1").innerText(), "My people");

  await enter(page, "Triage");
  await enter(page, name);
  assert.ok(page.url().endsWith(id));
  assert.equal(await state(page), "New");
  await enter(page, "Start the triage"); // the form
  await enter(page, "Start the triage"); // its button
  assert.equal(await state(page), "In triage");
  await enter(page, "Accept the referral");
  await type(page, "Priority", "Urg");
  await type(page, "Comment to the referrer", "Has nobody else");
  await enter(page, "Accept");
  assert.equal(await state(page), "Accepted");
  assert.equal(await steps(page, "Priority changed to urgent"), 1);

  await enter(page, "Waiting list");
  await enter(page, name);
  await enter(page, "Take charge");
  await enter(page, "Take charge");
  assert.equal(await said(page), "Somebody is in charge");

  await enter(page, "Record a contact");
  await choose(page, "How did you get in touch?", "Telephone");
  await choose(page, "What came of it?", "Reached");
  await type(page, "Note", "Likes to sing");
  await enter(page, "Record the contact");
  assert.equal(await steps(page, "Telephone: reached"), 1);

  await enter(page, "Record the first contact");
  await enter(page, "Start the work");
  assert.equal(await state(page), "Active");
  await enter(page, "Write the plan");
  await type(page, "What matters to the person, in their own words", "To sing again");
  await type(page, "Goal 1", "Join the choir");
  await type(page, "Goal 1: how much it matters to the person", "9");
  await type(page, "Action 1", "Ring the choir");
  await type(page, "Action 1: who does it", "Ada");
  await type(page, "Action 1: how sure the person is", "7");
  await type(page, "Action 1: for which goal", "Goal 1");
  await choose(page, "Who agreed to the plan?", "The person");
  await enter(page, "Record the plan");
  const plan = await page.locator("main").innerText();
  for (const words of ["To sing again", "Join the choir", "matters 9 of 10", "Ring the choir", "sure 7 of 10"]) {
    assert.ok(plan.includes(words), words);
  }
  await enter(page, "My people");
  await enter(page, name);
  await enter(page, "Pause the work");
  await choose(page, "Why does the work rest?", "On holiday");
  await type(page, "Note", "Back in two weeks");
  await enter(page, "Pause");
  assert.equal(await state(page), "Paused");
  assert.ok((await page.locator("main").innerText()).includes("Back in two weeks"));
  await enter(page, "Resume the work");
  await enter(page, "Resume");
  assert.equal(await state(page), "Active");

  await enter(page, "Complete the referral");
  await tabTo(page, "Connected to group");
  await page.keyboard.press("Space");
  await type(page, "Note about the outcome", "Sings in the choir");
  await enter(page, "Complete the referral");
  assert.equal(await state(page), "Completed");
  assert.ok((await page.locator("ol").innerText()).includes("Connected to group: Sings in the choir"));
  await enter(page, "Sign out");
  await visit(page, "/desk", 401);
  await page.context().close();
}

describe("a whole day by the keyboard alone", () => {
  test("on a phone", () => wholeDay(PHONE, referrals.phone, "Ada Phone"));
  test("at a desk", () => wholeDay(DESKTOP, referrals.desktop, "Ada Desktop"));
});

test("without JavaScript a form is filled, comes back, and is recorded", async () => {
  const page = await open("wendy", { javaScriptEnabled: false });
  await page.goto(`${url}/desk/referrals/${referrals.plain}/contact`);
  await page.keyboard.press("Tab");
  await page.getByLabel("Note").fill("Kept as it was typed\non two lines");
  await page.getByRole("button", { name: "Record the contact" }).press("Enter");
  await page.locator("#error-summary:focus").waitFor();
  assert.equal(await page.getByLabel("Note").inputValue(), "Kept as it was typed\non two lines");
  await page.getByLabel("Home visit").press("Space");
  await page.getByLabel("No answer").press("Space");
  await page.getByRole("button", { name: "Record the contact" }).press("Enter");
  await page.getByText("The contact is recorded").waitFor();
  assert.equal(await steps(page, "Home visit: no answer"), 1);
  await page.context().close();
});

test("what is wrong is said at the top, names its field, and keeps what was typed", async () => {
  const page = await open("wendy", { viewport: PHONE });
  const path = `/desk/referrals/${referrals.wrong}`;
  await visit(page, `${path}/contact`);
  await type(page, "Month", "99");
  await type(page, "Note", "CANARY of the note");
  await enter(page, "Record the contact");
  assert.equal(await page.evaluate(() => document.activeElement.id), "error-summary");
  assert.ok((await page.title()).startsWith("Error: "));
  assert.equal(await page.getByLabel("Note").inputValue(), "CANARY of the note");
  assert.equal(await page.getByLabel("Month").inputValue(), "99");
  const link = page.locator("#error-summary a");
  assert.match(await link.first().innerText(), /^Enter the day of the contact/);
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "date-day");

  // What the service refuses: all of it at once, each in its field.
  await page.goto(`${url}${path}/contact`);
  await enter(page, "Record the contact");
  assert.deepEqual(await link.allInnerTexts(), ["Select how you got in touch", "Select what came of it"]);
  await page.goto(`${url}${path}/reject`);
  await type(page, "Why?", "Oth");
  await enter(page, "Reject the referral");
  assert.deepEqual(await link.allInnerTexts(), ["Say what the other reason is"]);
  assert.equal(await page.locator("#reason").inputValue(), "99");
  await page.goto(`${url}${path}/no-contact`);
  await enter(page, "Close the referral");
  assert.match(await page.locator("#error-summary").innerText(), /attempts on 3 different days first; there are 0/);
  await visit(page, path);
  assert.equal(await state(page), "Accepted");
  await page.context().close();
});

// The fields of the form that is open, as a browser would send them.
const bodyOf = (page) => page.evaluate(() => Object.fromEntries(new FormData(document.querySelector("main form"))));

test("a form that is sent twice has one effect", async () => {
  const page = await open("wendy");
  const path = `/desk/referrals/${referrals.twice}`;
  await page.goto(`${url}${path}/contact`);
  await page.getByLabel("Video").press("Space");
  await page.getByLabel("Message left").press("Space");
  const form = await bodyOf(page);
  await page.getByRole("button", { name: "Record the contact" }).dblclick();
  await page.getByText("The contact is recorded").waitFor();
  const post = (fields) => page.request.post(`${url}${path}/contact`, { form: fields, maxRedirects: 0, headers: { Origin: url } });
  const answers = await Promise.all([post(form), post(form), post(form)]);
  assert.deepEqual(answers.map((answer) => answer.status()), [303, 303, 303]);
  await page.goto(url + path);
  assert.equal(await steps(page, "Video: message left"), 1);

  // The same form with other words is no repetition.
  const other = await post({ ...form, note: "another" });
  assert.equal(other.status(), 409);
  assert.match(await other.text(), /recorded before, with other words/);
  await page.goto(url + path);
  assert.equal(await steps(page, "Video: message left"), 1);

  // A decision too, though the referral has moved on in between.
  await page.goto(`${url}${path}/hand-over`);
  await page.getByLabel("Who is in charge").fill("walter");
  await page.getByLabel("What must the next one know?").fill("Speaks softly");
  const handOver = { form: await bodyOf(page), maxRedirects: 0, headers: { Origin: url } };
  for (let i = 0; i < 2; ++i) {
    assert.equal((await page.request.post(`${url}${path}/hand-over`, handOver)).status(), 303);
  }
  await visit(page, path);
  assert.ok((await page.locator("main").innerText()).includes("Speaks softly"));
  await page.context().close();
});

test("what somebody else changed meanwhile is not overwritten unseen", async () => {
  const page = await open("wendy");
  const colleague = await open("walter");
  const path = `/desk/referrals/${referrals.meanwhile}`;
  await page.goto(`${url}${path}/hand-over`);
  await page.getByLabel("Who is in charge").fill("zoe");
  await page.getByLabel("What must the next one know?").fill("Rings at noon");
  await colleague.goto(`${url}${path}/priority`);
  await colleague.getByLabel("Urgent").press("Space");
  await colleague.getByLabel("Why does it change?").fill("Has lost the flat");
  await colleague.getByRole("button", { name: "Change the priority" }).press("Enter");
  await colleague.getByText("The priority is changed").waitFor();
  await page.getByRole("button", { name: "Hand over" }).press("Enter");
  await page.getByText("Somebody changed this while you filled in the form").waitFor();
  await check(page);
  assert.equal(await page.getByLabel("What must the next one know?").inputValue(), "Rings at noon");
  await page.getByRole("button", { name: "Hand over" }).press("Enter");
  await page.getByText("The referral is handed over").waitFor();
  for (const each of [page, colleague]) await each.context().close();
});

test("a form that another site sends changes nothing", async () => {
  const page = await open("wendy");
  const path = `/desk/referrals/${referrals.forged}`;
  await page.goto(`${url}${path}/contact`);
  await page.getByLabel("Letter").press("Space");
  await page.getByLabel("Wrong details").press("Space");
  const form = await bodyOf(page);
  for (const headers of [{ Origin: "http://elsewhere.example" }, { Origin: "null" }, {},
    { Origin: url, "Sec-Fetch-Site": "cross-site" }, { Origin: url, "Sec-Fetch-Site": "same-site" }]) {
    const answer = await page.request.post(`${url}${path}/contact`, { form, maxRedirects: 0, headers });
    assert.equal(answer.status(), 403, JSON.stringify(headers));
  }
  await page.goto(url + path);
  assert.equal(await steps(page, "Letter"), 0);
  const cookies = await page.context().cookies();
  assert.deepEqual(cookies.map(({ sameSite, httpOnly }) => [sameSite, httpOnly]), [["Strict", true]]);
  await page.context().close();
});

test("risks, restrictions and missing pages are shown as what they are", async () => {
  const page = await open("wendy", { viewport: PHONE });
  await visit(page, `/desk/referrals/${referrals.risky}`);
  const words = await page.locator("main").innerText();
  assert.match(words, /Risks and safeguarding/);
  assert.ok(words.includes("Do not visit <b>alone</b>"), "shown as text");
  assert.match(words, /Urgent/i);
  await visit(page, `/desk/referrals/${referrals.restricted}`);
  const main = await page.locator("main").innerText();
  assert.match(main, /Restricted person/);
  assert.doesNotMatch(await page.content(), /0113 496 0123|Hidden Street/, "INV-139");
  for (const path of ["/desk/referrals/none", "/desk/nothing", `/desk/referrals/${referrals.risky}/nothing`,
    "/desk/referrals/11111111-1111-4111-8111-111111111111"]) {
    await visit(page, path, 404);
  }
  await visit(page, `/desk/referrals/${referrals.risky}/complete`, 409);
  await page.context().close();
});

test("a list has pages, and each organisation and role sees its own", async () => {
  const page = await open("walter");
  await visit(page, "/desk");
  assert.equal(await page.locator("tbody tr").count(), 20);
  await enter(page, "Next page : 2 of 2");
  assert.ok((await page.locator("tbody tr").count()) >= 1);
  await enter(page, "Previous page : 1 of 2");
  await page.context().close();

  const stranger = await open("stranger");
  await visit(stranger, "/desk/triage");
  assert.match(await stranger.locator("main").innerText(), /No referral waits/);
  await visit(stranger, `/desk/referrals/${referrals.risky}`, 404);
  await stranger.context().close();
  const trainer = await open("trainer");
  await visit(trainer, "/desk", 403);
  await trainer.context().close();
});

test("a partner that could not be told is shown, and told again", async () => {
  const page = await open("wendy", { viewport: PHONE });
  await visit(page, "/desk/messages");
  await enter(page, "Ada Untold");
  const main = () => page.locator("main").innerText();
  assert.match(await main(), /could not be told/);
  assert.match(await main(), /No address of their system/);
  await enter(page, "Send it again");
  assert.match(await main(), /The message is sent again/);
  await page.context().close();
});

test("a plan is recorded whole, is reviewed, and keeps the names of its goals", async () => {
  const page = await open("wendy");
  const path = `/desk/referrals/${referrals.planned}`;
  const main = () => page.locator("main").innerText();
  const press = async (name) => {
    await page.getByRole("button", { name }).press("Enter");
    await page.waitForLoadState();
  };
  await visit(page, `${path}/plan`);
  await press("Record the plan");
  assert.deepEqual(await page.locator("#error-summary a").allInnerTexts(),
    ["Enter what matters to the person", "Select who agreed to the plan"]);
  await page.getByLabel("What matters to the person").fill("Her garden");
  await page.getByLabel("Goal 2", { exact: true }).fill("Grow beans");
  await page.getByLabel("Action 1: who does it").fill("A neighbour");
  await page.getByLabel("The person", { exact: true }).press("Space");
  await press("Record the plan");
  // The row that was left empty is gone, and the errors lead to where the others moved.
  assert.equal(await page.getByLabel("Goal 1", { exact: true }).inputValue(), "Grow beans");
  assert.deepEqual(await page.locator("#error-summary a").allInnerTexts(),
    ["Select how much goal 1 matters", "Enter what action 1 is", "Select how sure the person is of action 1"]);
  await check(page);
  await page.getByLabel("Goal 1: how much it matters").selectOption("8");
  await page.getByLabel("Action 1", { exact: true }).fill("Dig");
  await page.getByLabel("Action 1: how sure the person is").selectOption("6");
  await press("Record the plan");
  await page.getByText("The plan is recorded").waitFor();

  // A second version: the first goal goes, a new one does not take its number.
  await visit(page, `${path}/plan`);
  assert.equal(await page.locator('[name="goal-1-number"]').inputValue(), "1");
  await page.getByLabel("Goal 1", { exact: true }).fill("");
  await page.getByLabel("Goal 1: how much it matters").selectOption("");
  await page.getByLabel("Goal 1: how it stands").selectOption("");
  await page.getByLabel("Goal 2", { exact: true }).fill("Sell beans");
  await page.getByLabel("Goal 2: how much it matters").selectOption("3");
  await page.getByLabel("Action 1: for which goal").selectOption("2");
  for (const box of await page.locator('[name="criteria"]').all()) await box.check();
  await press("Record the plan");
  await page.getByText("The plan is recorded").waitFor();
  assert.match(await main(), /Yes: all five criteria hold/);
  await visit(page, `${path}/plan`);
  assert.equal(await page.locator('[name="goal-1-number"]').inputValue(), "2");
  assert.equal(await page.getByLabel("Action 1: for which goal").inputValue(), "1");
  assert.equal(await page.getByLabel("What matters to the person").inputValue(), "Her garden");

  await visit(page, `${path}/review`);
  await page.getByLabel("Informal").press("Space");
  await page.getByLabel("The plan continues").press("Space");
  await page.getByLabel("Goal 1: what came of it").fill("Three jars");
  await press("Record the review");
  assert.deepEqual(await page.locator("#error-summary a").allInnerTexts(), ["Select how goal 1 stands"]);
  await page.getByLabel("Goal 1: how it stands").selectOption({ label: "Partly achieved" });
  await press("Record the review");
  await page.getByText("The review is recorded").waitFor();
  assert.match(await main(), /Partly achieved[^]*Three jars/);

  for (const [point, satisfied] of [["Before the help", "3"], ["Afterwards", "7"]]) {
    await visit(page, `${path}/well-being`);
    await page.getByLabel(point).press("Space");
    await page.getByLabel("How satisfied with life?").selectOption(satisfied);
    await press("Record the answers");
    await page.getByText("The answers are recorded").waitFor();
  }
  await visit(page, `${path}/activation`);
  await page.getByLabel("Before the help").press("Space");
  await page.getByLabel("Score").fill("56,4");
  await press("Record the score");
  assert.match(await page.locator("#error-summary").innerText(), /for example 56.4/);
  await page.getByLabel("Score").fill("56.4");
  await press("Record the score");
  await page.getByText("The score is recorded").waitFor();
  assert.match(await main(), /PAM-13: 56\.4/);

  await visit(page, `${path}/risk`);
  await page.getByLabel("To self").press("Space");
  await page.getByLabel("What must everybody know?").fill("Falls");
  await press("Add the risk");
  assert.match(await page.locator(".nhsuk-card--warning").innerText(), /To self: Falls/);
  await visit(page, `${path}/risk-end`);
  await page.getByLabel("To self: Falls").press("Space");
  await page.getByLabel("Why?").fill("Has a rail now");
  await press("End the risk");
  await page.getByText("The risk has ended").waitFor();
  assert.equal(await page.locator(".nhsuk-card--warning").count(), 0);
  assert.match(await main(), /Has a rail now/);
  await check(page);
  await page.context().close();
});

test("a decision is made together, and looked at again", async () => {
  const page = await open("wendy", { viewport: PHONE });
  const path = `/desk/referrals/${referrals.decided}`;
  const main = () => page.locator("main").innerText();
  const errors = () => page.locator("#error-summary a").allInnerTexts();
  await visit(page, path);
  await enter(page, "Record a shared decision");
  await enter(page, "Record the decision");
  assert.deepEqual(await errors(), ["Enter what is to be decided", "Enter what matters to the person here",
    "Enter what option 1 is", "Enter what speaks against option 1", "Enter what speaks for option 1"]);
  await type(page, "What is to be decided?", "Which group");
  await type(page, "What matters to the person here?", "To be outside");
  await type(page, "Option 1", "The <b>allotment</b>");
  await type(page, "Option 1: what speaks for it", "Air\nNeighbours");
  await type(page, "Option 1: what speaks against it", "Rain\nMud\nThe bus\nThe hill\nThe shed");
  await enter(page, "Record the decision");
  assert.match(String(await errors()), /^Option 1: what speaks against it must be /);
  await page.getByLabel("Option 1: what speaks against it").fill("Rain");
  await enter(page, "Record the decision");
  assert.equal(await said(page), "The decision is recorded");
  assert.match(await main(), /Not decided yet[^]*Option: The <b>allotment<\/b>[^]*Neighbours[^]*Rain/);
  assert.equal(await steps(page, "Shared decision"), 1);

  await enter(page, "Change the decision: Which group");
  assert.equal(await page.getByLabel("Option 1: what speaks for it").inputValue(), "Air\nNeighbours");
  await type(page, "Option 2", "Nothing");
  await type(page, "Option 2: what speaks for it", "Rest");
  await type(page, "Option 2: what speaks against it", "Lonely");
  await page.getByLabel("Agreed").press("Space");
  await type(page, "What was decided, and why?", "The allotment, because of the air");
  for (const [part, value] of [["Day", "1"], ["Month", "1"], ["Year", "2020"]]) await type(page, part, value);
  await enter(page, "Record the decision");
  assert.match(String(await errors()), /^Day to look at it again must be from today/);
  for (const part of ["day", "month", "year"]) await page.locator(`#review-${part}`).fill("");
  await enter(page, "Record the decision");
  assert.match(await main(), /Agreed[^]*because of the air[^]*To be outside[^]*Option: Nothing/);
  assert.equal(await page.locator("#decisions").count(), 1);
  assert.equal(await page.locator("h3", { hasText: "Which group" }).count(), 1, "the same one, not a second");
  await page.context().close();
});

test("contact details are changed, and nothing else is", async () => {
  const page = await open("wendy", { viewport: PHONE });
  const path = `/desk/referrals/${referrals.moved}`;
  const main = () => page.locator("main").innerText();
  const errors = () => page.locator("#error-summary li").allInnerTexts();
  const field = (label) => page.getByLabel(label, { exact: true });
  const value = (label) => field(label).inputValue();
  await visit(page, path);
  await enter(page, "Change contact details");
  assert.deepEqual(await Promise.all(["Telephone", "Email", "Address", "Postcode"].map(value)),
    ["0113 496 0001", "", "1 High Street\nOvertown", "LS1 1AA"]);
  await enter(page, "Record the details");
  assert.deepEqual(await errors(), ["Nothing is changed. Change what is not right any more"]);
  await field("Telephone").fill("");
  await type(page, "Email", "a".repeat(256));
  await enter(page, "Record the details");
  assert.match(String(await errors()), /^The telephone number is empty/);
  await field("Telephone").fill("0113 496 0009");
  await enter(page, "Record the details");
  assert.match(String(await errors()), /^Email must be /);
  await field("Email").fill("ada@example.org");

  // Somebody else writes a new address meanwhile: it is seen, and stays.
  const colleague = await open("walter");
  await visit(colleague, `${path}/details`);
  await colleague.getByLabel("Address", { exact: true }).fill("2 Low Road");
  await enter(colleague, "Record the details");
  assert.equal(await said(colleague), "The contact details are changed");
  await enter(page, "Record the details");
  assert.match(String(await errors()), /Somebody changed this while you filled in the form/);
  assert.deepEqual(await Promise.all(["Telephone", "Email", "Address"].map(value)),
    ["0113 496 0009", "ada@example.org", "2 Low Road"]);
  const form = await bodyOf(page);
  await enter(page, "Record the details");
  assert.equal(await said(page), "The contact details are changed");
  assert.match(await main(),
    /0113 496 0009[^]*ada@example\.org[^]*2 Low Road\s+LS1 1AA[^]*Other ways to reach\s+0113 496 0002[^]*Communication: Large print/);
  const again = await page.request.post(`${url}${path}/details`, { form, maxRedirects: 0, headers: { Origin: url } });
  assert.equal(again.status(), 303, "the same form twice");

  // What is no longer used is taken away; the second number becomes the first.
  const gone = async (...details) => {
    await visit(page, `${path}/details`);
    for (const detail of details) await field(detail).press("Space");
    await enter(page, "Record the details");
    assert.equal(await said(page), "The contact details are changed");
  };
  await gone("The telephone number", "The address");
  assert.match(await main(), /Telephone\s+0113 496 0002/);
  assert.doesNotMatch(await main(), /0113 496 0009|Low Road|Other ways to reach/);
  assert.match(await main(), /LS1 1AA/);
  await gone("The telephone number", "The postcode");
  assert.doesNotMatch(await main(), /0113 496 000[1-9]|LS1 1AA/);
  assert.match(await main(), /ada@example\.org[^]*Communication: Large print/);

  await visit(page, `/desk/referrals/${referrals.restricted}/details`, 409);
  const forced = await page.request.post(`${url}/desk/referrals/${referrals.restricted}/details`,
    { form, maxRedirects: 0, headers: { Origin: url } });
  assert.equal(forced.status(), 409, "INV-139: what cannot be seen is not replaced");
  for (const each of [page, colleague]) await each.context().close();
});

// An open page is looked at again once a minute; the clock of its browser is the test's.
describe("an open page shows what changed without a reload", () => {
  const path = `/desk/referrals/${referrals.live}`;
  const words = (page) => page.locator("[role=status]").innerText();
  const quiet = () => new Promise((done) => setTimeout(done, 300));
  // And until the page has seen it too, before its clock moves on.
  const until = async (what, is) => {
    for (let i = 0; i < 100; ++i) {
      if (await is()) return quiet();
      await new Promise((done) => setTimeout(done, 50));
    }
    assert.fail(`not in five seconds: ${what}`);
  };
  const minute = (page) => page.clock.fastForward(61_000);

  test("and what is done there is not taken away", async () => {
    const page = await open("wendy");
    const colleague = await open("walter");
    await page.clock.install();
    await visit(page, path);
    await page.evaluate(() => { window.sameDocument = true; });
    await colleague.goto(`${url}${path}/priority`);
    await colleague.getByLabel("Urgent").press("Space");
    await colleague.getByLabel("Why does it change?").fill("Has lost the flat");
    await enter(colleague, "Change the priority");
    await minute(page);
    await until("the new priority", async () => (await steps(page, "Priority changed to urgent")) === 1);
    assert.match(await words(page), /^Something changed here at \d\d:\d\d\.$/);
    assert.ok(await page.evaluate(() => window.sameDocument));
    await check(page);

    // Whoever stands on a link of the list stays there, and hears that there is something new.
    await visit(page, "/desk");
    await page.getByRole("link", { name: "Ada Live" }).focus();
    await colleague.goto(`${url}${path}/hand-over`);
    await colleague.getByLabel("Who is in charge").fill("walter");
    await colleague.getByLabel("What must the next one know?").fill("Rings at noon");
    await enter(colleague, "Hand over");
    assert.equal(await said(colleague), "The referral is handed over");
    await minute(page);
    await until("something new", async () => /when you leave this part/.test(await words(page)));
    assert.ok((await focused(page)).includes("Ada Live"));
    await check(page);
    await page.locator("h1").click();
    await page.clock.fastForward(4_000);
    await until("the list without Ada Live", async () => (await page.getByRole("link", { name: "Ada Live" }).count()) === 0);
    assert.match(await words(page), /^Something changed here at /);
    await check(page);
    for (const each of [page, colleague]) await each.context().close();
  });

  test("only while somebody is there, and not for ever", async () => {
    const page = await open("walter");
    await page.clock.install();
    await visit(page, "/desk");
    const answers = [];
    let failures = 0;
    page.on("response", (answer) => answers.push(answer.status()));
    const show = (state) => page.evaluate((value) => {
      Object.defineProperty(document, "visibilityState", { value, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }, state);
    await minute(page);
    await until("a look", () => answers.length === 1);
    assert.deepEqual(answers, [304], "nothing changed");
    assert.equal(await words(page), "");

    await show("hidden");
    await minute(page);
    await minute(page);
    await quiet();
    assert.equal(answers.length, 1, "nobody sees it");
    await show("visible");
    await page.clock.fastForward(1_000);
    await until("a look on the way back", () => answers.length === 2);
    await page.clock.fastForward(11 * 60_000);
    await quiet();
    assert.equal(answers.length, 2, "nobody has touched it");
    await page.keyboard.press("Shift");
    await page.clock.fastForward(1_000);
    await until("a look at whoever comes back", () => answers.length === 3);

    await page.route("**/desk", (route) => {
      ++failures;
      return route.abort();
    });
    await minute(page);
    await until("a look that fails", () => failures === 1);
    await minute(page);
    await quiet();
    assert.equal(failures, 1, "the pause is twice as long");
    await minute(page);
    await until("the next look", () => failures === 2);
    await page.unroute("**/desk");

    await page.context().clearCookies();
    await page.keyboard.press("Shift");
    await page.clock.fastForward(5 * 60_000);
    await until("the end of the session", () => answers.at(-1) === 401);
    await until("that it is said", async () => /not shown any more/.test(await words(page)));
    assert.equal(await page.locator("[data-live]").innerText(), "", "whoever may not see it any more");
    assert.equal(await page.title(), "Fettle");
    assert.equal(await page.getByRole("button", { name: "Stop showing changes" }).count(), 0);
    const before = answers.length;
    await page.keyboard.press("Shift");
    await page.clock.fastForward(5 * 60_000);
    await quiet();
    assert.equal(answers.length, before);
    await check(page);
    await page.context().close();
  });

  // The page as another state of it, at the next look.
  const instead = async (page, at, other, change = (body) => body) => {
    await page.unroute(`**${at}`);
    await page.route(`**${at}`, async (route) => {
      const response = await page.request.get(url + other);
      return route.fulfill({ response, body: change(await response.text()) });
    });
  };
  const renewed = (body) => body.replace(/data-live-version="\w+"/, 'data-live-version="0"');
  const version = (page) => page.locator("[data-live]").getAttribute("data-live-version");

  test("and INV-139: a restriction takes the address off the screen, whoever stands there", async () => {
    const page = await open("wendy");
    await page.clock.install();
    await visit(page, path);
    const restricted = `/desk/referrals/${referrals.restricted}`;
    await page.locator("[data-live] a").first().focus();
    await instead(page, path, restricted);
    await minute(page);
    await until("that it is restricted", async () => (await page.getByText("Restricted person").count()) === 1);
    assert.match((await focused(page)).join(), /^Something changed here at /, "the focus is where it is said");
    await check(page);
    // It is restricted already: nothing is gained by taking away what is done there.
    await page.locator("[data-live] a").first().focus();
    await instead(page, path, restricted, renewed);
    await minute(page);
    await until("something new", async () => /when you leave this part/.test(await words(page)));
    await page.context().close();
  });

  test("and it can be stopped", async () => {
    const page = await open("walter");
    await page.clock.install();
    await visit(page, "/desk");
    let looks = 0;
    page.on("request", () => { ++looks; });
    await page.locator("[data-live] a").first().focus();
    await instead(page, "/desk", "/desk", renewed);
    await minute(page);
    await until("something new", async () => /when you leave this part/.test(await words(page)));
    await page.keyboard.press("Shift+Tab");
    assert.deepEqual(await focused(page), ["Stop showing changes"]);
    await page.keyboard.press("Enter");
    assert.deepEqual(await focused(page), ["Show changes again"]);
    assert.equal(await words(page), "Changes are not shown.");
    await check(page);
    const before = looks;
    for (let i = 0; i < 3; ++i) await minute(page);
    await quiet();
    assert.equal(looks, before);
    assert.notEqual(await version(page), "0", "what waited goes on waiting");
    await page.keyboard.press("Space");
    assert.deepEqual(await focused(page), ["Stop showing changes"]);
    await until("what waited", async () => (await version(page)) === "0");
    await page.clock.fastForward(1_000);
    await until("a look", () => looks === before + 1);
    await page.context().close();
  });

  test("and without JavaScript it is the same page", async () => {
    const shown = [];
    for (const javaScriptEnabled of [true, false]) {
      const page = await open("wendy", { javaScriptEnabled });
      await page.goto(url + path);
      shown.push((await page.locator("main").innerText()).trim());
      await page.context().close();
    }
    assert.equal(shown[0].replace(/^Stop showing changes\s+/, ""), shown[1]);
  });
});

// The form of a referral of one Ada, with more in some of its fields.
async function fillReferral(page, more) {
  for (const [label, text] of [["First name", "Ada"], ["Day", "4"], ["Month", "5"], ["Year", "1950"], ["GP practice", "A1001"],
    ["In words", "Feels alone"], ["Name", "Dr One"], ["Service", "Surgery"], ["How to reach them", "0113 496 0000"], ...more]) {
    await page.getByLabel(label, { exact: true }).fill(text);
  }
  for (const [label, option] of [["Which service is asked?", "Overtown Link Workers"], ["Why?", "Loneliness"],
    ["Risks", "No known risks"], ["Consent", "Informed, for direct care"]]) {
    await page.getByLabel(label, { exact: true }).selectOption({ label: option });
  }
  await page.getByLabel("Priority").selectOption("PRIORITY_ROUTINE");
}

test("whoever may be known already is offered, and nothing is put together", async () => {
  const page = await open("wendy", { viewport: PHONE });
  const twin = [["Family name", "Twin"], ["Address", "1 High Street"], ["Postcode", "ls11aa"]];
  const errors = () => page.locator("#error-summary a").allInnerTexts();
  const people = () => page.locator(".nhsuk-radios label").allInnerTexts();
  const main = () => page.locator("main").innerText();
  const known = "Ada Twin, born 4 May 1950, NHS number ";
  const ask = async () => {
    await visit(page, "/desk/new");
    await fillReferral(page, twin);
    await enter(page, "Send the referral");
    assert.equal(await page.locator("h1").innerText().then((text) => /known already/.test(text)), true);
  };
  await ask();
  const offered = await people();
  assert.equal(offered.length, 2);
  assert.ok(offered[0].startsWith(known) && offered[0].endsWith(", LS1 1AA"), offered[0]);
  assert.equal(offered[1], "No, it is somebody else");
  assert.match(await main(), /A record that you choose stays as it is/);
  await enter(page, "Send the referral");
  assert.deepEqual(await errors(), ["Select who it is, or that it is somebody else"]);
  await choose(page, "Is it one of these people?", offered[0]);
  const form = await bodyOf(page);
  await enter(page, "Send the referral");
  assert.equal(await said(page), "The referral is sent");
  assert.match(await main(), /NHS number\s+999 000/, "the one who was known");
  const first = new URL(page.url()).pathname;
  const post = (fields) => page.request.post(`${url}/desk/new`, { form: fields, maxRedirects: 0, headers: { Origin: url } });
  const again = await post(form);
  assert.equal(again.headers().location, `${first}?done=new`, "the same form twice");
  const stranger = await post({ ...form, "same-person": "11111111-1111-4111-8111-111111111111" });
  assert.equal(stranger.status(), 400, "somebody who was not offered");

  // A twin. Whoever chose somebody who was known left no spare record behind.
  await ask();
  assert.deepEqual(await people(), offered);
  await choose(page, "Is it one of these people?", "No, it is somebody else");
  await enter(page, "Send the referral");
  assert.equal(await said(page), "The referral is sent");
  assert.doesNotMatch(await main(), /NHS number/);
  assert.notEqual(new URL(page.url()).pathname, first);
  await ask();
  assert.equal((await people()).length, 3, "both twins");
  const other = await post({ ...form, "same-person": "new" });
  assert.equal(other.status(), 409, "one form, one referral");

  // Nobody is like this: the form that is sent twice does not ask about the record that it made.
  await visit(page, "/desk/new");
  await fillReferral(page, [["Family name", "Single"], ["Postcode", "ls1 1ab"]]);
  const single = await bodyOf(page);
  await page.getByRole("button", { name: "Send the referral" }).dblclick();
  await page.getByText("The referral is sent").waitFor();
  assert.equal((await post(single)).headers().location, `${new URL(page.url()).pathname}?done=new`);

  // A record that is none of those alike any more, because it was restricted or merged: no other one is made instead.
  const gone = { ...single, request_id: crypto.randomUUID(), family: "Gone", "same-person": form["same-person"] };
  const refused = await post(gone);
  assert.equal(refused.status(), 409);
  const back = await refused.text();
  assert.match(back, /The record that you chose cannot be used any more/);
  assert.match(back, /value="Gone"/);
  assert.doesNotMatch(back, /same-person/, "asked anew");
  assert.equal((await post({ ...gone, "same-person": "" })).status(), 303, "nothing was made of it");

  // Who is known here is not told to a practice.
  const gp = await open("gp");
  await visit(gp, "/desk/new");
  await fillReferral(gp, twin);
  await enter(gp, "Send the referral");
  assert.equal(await said(gp), "The referral is sent");
  for (const each of [page, gp]) await each.context().close();
});

test("somebody is referred, once, also when the form is corrected", async () => {
  const page = await open("gp", { viewport: PHONE });
  await visit(page, "/desk/new");
  const send = async () => {
    await page.getByRole("button", { name: "Send the referral" }).press("Enter");
    await page.waitForLoadState();
  };
  await send();
  const errors = page.locator("#error-summary a");
  assert.equal(await errors.count(), 11);
  await check(page);
  await fillReferral(page, [["Family name", "New"], ["NHS number", "999 000 0019"]]);
  await send();
  assert.match(await errors.allInnerTexts().then(String), /^NHS number must be/);
  await page.getByLabel("NHS number").fill("999 000 0018");
  const form = await bodyOf(page);
  await send();
  await page.getByText("The referral is sent").waitFor();
  await check(page);
  const again = await page.request.post(`${url}/desk/new`, { form, maxRedirects: 0, headers: { Origin: url } });
  assert.equal(again.status(), 303);
  assert.equal(new URL(page.url()).pathname + "?done=new", again.headers().location);
  const bad = await page.request.post(`${url}/desk/new`, { form: { ...form, request_id: "x" }, headers: { Origin: url } });
  assert.equal(bad.status(), 404);
  await page.context().close();
});

test("a question goes to the referrer, who answers it", async () => {
  const page = await open("wendy");
  const path = `/desk/referrals/${referrals.asked}`;
  await page.goto(`${url}${path}/triage`);
  await enter(page, "Start the triage");
  await enter(page, "Ask the referrer");
  await type(page, "What do you need to know?", "Which language?");
  await enter(page, "Send the question");
  assert.equal(await state(page), "Question asked");
  const gp = await open("gp");
  await visit(gp, path);
  await enter(gp, "Answer the question");
  await type(gp, "Answer", "Punjabi");
  await enter(gp, "Send the answer");
  await visit(page, path);
  assert.equal(await state(page), "In triage");
  assert.ok((await page.locator("ol").innerText()).includes("Punjabi"));
  await enter(page, "Record the triage outcome");
  await choose(page, "What did the triage come to?", "Return to the referrer with advice");
  await type(page, "Comment or advice", "A class in Punjabi");
  await choose(page, "If it goes back: what does the advice come to?", "Other");
  await type(page, "If it goes back: why?", "Not clin");
  await enter(page, "Record the outcome");
  assert.equal(await state(page), "Rejected");
  for (const each of [page, gp]) await each.context().close();
});
