// How times, counts and schedules are said.

const RELATIVE = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "full", timeStyle: "short" });
const STEPS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["week", 604_800],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

/** "3 hours ago", "in 5 minutes", "just now"; of epoch seconds. */
export function relative(seconds, now = Date.now() / 1000) {
  const away = seconds - now;
  for (const [unit, size] of STEPS) {
    if (Math.abs(away) >= size) return RELATIVE.format(Math.round(away / size), unit);
  }
  return away > 20 ? "in a moment" : "just now";
}

/** The whole date and time, in the reader's time zone. */
export function whole(seconds) {
  return WHOLE.format(new Date(seconds * 1000));
}

/** "1 idea", "3 ideas". */
export function counted(number, one, many = `${one}s`) {
  return `${number} ${number === 1 ? one : many}`;
}

function hour(number) {
  return `${String(number).padStart(2, "0")}:00`;
}

/** A schedule in words; its kinds are the data layer's. */
export function scheduleWords(schedule) {
  switch (schedule?.type) {
    case "daily":
      return `every day at ${hour(schedule.hour)}`;
    case "times_per_day":
      return `${schedule.count} times a day`;
    case "every_n_days":
      return `every ${schedule.days} days at ${hour(schedule.hour)}`;
    default:
      return "not scheduled";
  }
}

/** A title as the last part of an address: lower-case letters, digits, single hyphens. */
export function slugOf(title) {
  return String(title ?? "")
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .replace(/^-+|-+$/g, "")
    .slice(0, 80)
    .replace(/-+$/, "");
}

/** How many words there are. */
export function wordCount(text) {
  return (String(text ?? "").match(/\S+/g) ?? []).length;
}

/** The host of an address, without www; the address itself when it has none. */
export function hostOf(address) {
  try {
    return new URL(address).hostname.replace(/^www\./, "");
  } catch {
    return String(address);
  }
}

/** An error as a sentence. */
export function sentence(text) {
  const said = String(text ?? "").trim() || "something went wrong";
  const begun = said[0].toUpperCase() + said.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
