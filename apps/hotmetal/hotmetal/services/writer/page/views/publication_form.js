// The form of a publication, for a new one and for one that is there.

import { fill, h } from "../dom.js";
import { choices, field, runOnce } from "../parts.js";
import { slugOf } from "../words.js";

const MODES = [
  { value: "draft", label: "You write", hint: "The scout proposes, you decide and publish." },
  { value: "publish", label: "Writes and publishes", hint: "The best idea of each look is published." },
  { value: "full-auto", label: "Fully automatic", hint: "The same, up to the posts per week." },
];

const KINDS = [
  ["daily", "Every day"],
  ["times_per_day", "Several times a day"],
  ["every_n_days", "Every few days"],
];

/** The form; `save(body)` gets the fields as the writer takes them. */
export function publicationForm(publication, { save, label, meanwhile }) {
  const isNew = publication.id === undefined;
  const place = h("div", {});
  const submit = h("button", { class: "button button-main" }, label);
  const name = text("name", publication.name, { required: true, maxlength: 200 });
  const slug = text("slug", publication.slug, {
    required: true, pattern: "[a-z0-9]+(-[a-z0-9]+)*", maxlength: 80, spellcheck: "false",
    title: "Lower-case letters, digits and single hyphens",
  });
  if (isNew) followName(name, slug);
  const schedule = scheduleFields(publication.scoutSchedule);
  const form = h(
    "form",
    {
      "data-keep": true,
      onsubmit: (event) => {
        event.preventDefault();
        const act = async () => {
          await save(bodyOf(form, schedule.value()));
          form.removeAttribute("data-touched");
        };
        runOnce(submit, { act, meanwhile, place });
      },
    },
    field("Name", name),
    field("Address", slug, { hint: "Lower-case letters, digits and hyphens." }),
    field("Description", area("description", publication.description), { optional: true }),
    field("Tone", area("writingTone", publication.writingTone), {
      optional: true, hint: "How the writer should sound. For example: calm, exact, with numbers.",
    }),
    field("Author", text("defaultAuthor", publication.defaultAuthor), { optional: true }),
    choices("What happens to ideas", {
      name: "autoPublishMode",
      options: MODES,
      chosen: publication.autoPublishMode ?? "draft",
    }),
    field("Posts per week", number("cadencePostsPerWeek", publication.cadencePostsPerWeek ?? 3, 0, 50)),
    schedule.node,
    zoneField(publication.timezone),
    place,
    h("div", { class: "row" }, submit),
  );
  return form;
}

function text(name, value, more = {}) {
  return h("input", { name, type: "text", value: value ?? "", autocomplete: "off", ...more });
}

function area(name, value) {
  return h("textarea", { name, rows: 2, value: value ?? "", maxlength: 2000 });
}

function number(name, value, min, max) {
  return h("input", { name, type: "number", min, max, step: 1, required: true, value });
}

/** While nobody has written an address, the name makes it. */
function followName(name, slug) {
  let own = false;
  slug.addEventListener("input", () => {
    own = slug.value !== "";
  });
  name.addEventListener("input", () => {
    if (!own) slug.value = slugOf(name.value);
  });
}

function scheduleFields(schedule) {
  const now = schedule ?? { type: "daily", hour: 8 };
  const kind = h(
    "select",
    { name: "kind", value: now.type, onchange: () => paint() },
    KINDS.map(([value, words]) => h("option", { value }, words)),
  );
  const count = number("count", now.count ?? 2, 2, 6);
  const days = number("days", now.days ?? 2, 2, 7);
  const hour = number("hour", now.hour ?? 8, 0, 23);
  const details = h("div", { class: "fields" });
  const paint = () => {
    const shown = {
      daily: [field("At hour", hour)],
      times_per_day: [field("Times a day", count)],
      every_n_days: [field("Every … days", days), field("At hour", hour)],
    }[kind.value];
    fill(details, shown);
  };
  paint();
  const whole = (control) => Number.parseInt(control.value, 10);
  const value = () =>
    ({
      daily: () => ({ type: "daily", hour: whole(hour) }),
      times_per_day: () => ({ type: "times_per_day", count: whole(count) }),
      every_n_days: () => ({ type: "every_n_days", days: whole(days), hour: whole(hour) }),
    })[kind.value]();
  return { node: h("div", { class: "fields" }, field("The scout looks", kind), details), value };
}

function zoneField(timezone) {
  const zones = Intl.supportedValuesOf?.("timeZone") ?? [];
  const control = text("timezone", timezone ?? Intl.DateTimeFormat().resolvedOptions().timeZone, {
    required: true, list: "zones", spellcheck: "false",
  });
  return h(
    "div",
    {},
    field("Time zone", control, { hint: "The scout's hours are hours of this zone." }),
    h("datalist", { id: "zones" }, ["UTC", ...zones].map((zone) => h("option", { value: zone }))),
  );
}

function bodyOf(form, scoutSchedule) {
  const said = new FormData(form);
  const words = (name) => String(said.get(name) ?? "").trim();
  return {
    name: words("name"),
    slug: words("slug"),
    description: words("description") || null,
    writingTone: words("writingTone") || null,
    defaultAuthor: words("defaultAuthor") || null,
    autoPublishMode: words("autoPublishMode"),
    cadencePostsPerWeek: Number.parseInt(words("cadencePostsPerWeek"), 10),
    scoutSchedule,
    timezone: words("timezone"),
  };
}
