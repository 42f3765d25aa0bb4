// -- values: what travels, and how it is written in JSON -----------------------------------------

/** Seconds since 1970, as a whole number. */
type EpochSeconds = number;
/** Milliseconds since 1970, as `Date.now()` gives them. */
type EpochMillis = number;
/** A secret that is encrypted where it is stored: given in plain, answered as ciphertext. */
type Sealed = string;
/** A token of which only a digest is kept: given raw, answered as the digest. */
type Hashed = string;

/** Some rows of a list, and where the next ones begin; `null` after the last. */
interface Page<T> {
  items: T[];
  nextCursor: string | null;
}

type _Shape =
  | "str" | "int" | "int64" | "float" | "bool" | "bytes" | "none" | "any"
  | { readonly list: _Shape }
  | { readonly dict: _Shape }
  | { readonly page: _Shape }
  | { readonly optional: _Shape }
  | { readonly maybe: _Shape }
  | { readonly literal: readonly (string | number | boolean | null)[] }
  | { readonly union: readonly _Shape[] }
  | { readonly struct: string };
type _Fields = { readonly [wire: string]: _Shape };

/** A value that is not of its type: of an answer, or of an argument. */
class _Misfit extends Error {
  readonly path: string;
  constructor(path: string, rule: string) {
    super(rule);
    this.path = path;
  }
}

function _isObject(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An empty object in which no key means anything, `__proto__` and `constructor` included. */
function _nothing(): Record<string, unknown> {
  return Object.create(null) as Record<string, unknown>;
}

function _bare(value: { readonly [key: string]: unknown }): Record<string, unknown> {
  const made = _nothing();
  for (const key of Object.keys(value)) {
    const part = value[key];
    made[key] = Array.isArray(part) ? part.map(_bareItem) : _bareItem(part);
  }
  return made;
}

function _bareItem(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(_bareItem);
  return _isObject(value) ? _bare(value) : value;
}

function _fieldsOf(name: string): _Fields {
  const fields = _STRUCTS[name];
  if (fields === undefined) throw new Error(`there is no type ${name}`);
  return fields;
}

function _pageFields(item: _Shape): _Fields {
  return { items: { list: item }, nextCursor: { optional: "str" } };
}

function _scalar(shape: string, value: unknown, path: string): unknown {
  switch (shape) {
    case "str":
      if (typeof value === "string") return value;
      throw new _Misfit(path, "must be a string");
    case "int":
      if (Number.isSafeInteger(value)) return value;
      throw new _Misfit(path, "must be a whole number between -(2^53-1) and 2^53-1");
    case "float":
      if (typeof value === "number" && Number.isFinite(value)) return value;
      throw new _Misfit(path, "must be a finite number");
    case "bool":
      if (typeof value === "boolean") return value;
      throw new _Misfit(path, "must be true or false");
    default:
      if (value === null) return value;
      throw new _Misfit(path, "must be null");
  }
}

function _literal(values: readonly unknown[], value: unknown, path: string): unknown {
  if (values.includes(value)) return value;
  throw new _Misfit(path, `must be one of ${JSON.stringify(values)}`);
}

/** Numbers that look whole are ids and amounts; past 2^53 JSON has already changed them. */
function _number(value: number, path: string): number {
  const isWhole = Number.isInteger(value) && Math.abs(value) < 2 ** 64;
  if (isWhole ? Number.isSafeInteger(value) : Number.isFinite(value)) return value;
  throw new _Misfit(path, "must be a finite number; whole ones lie within 2^53-1");
}

function _firstThatFits(
  members: readonly _Shape[], path: string, attempt: (member: _Shape) => unknown,
): unknown {
  let misfit = new _Misfit(path, "fits no member of the union");
  for (const member of members) {
    try {
      return attempt(member);
    } catch (error) {
      if (!(error instanceof _Misfit)) throw error;
      if (error.path.length > misfit.path.length) misfit = error;
    }
  }
  throw misfit;
}

// -- answers: from JSON --------------------------------------------------------------------------

function _read(shape: _Shape, value: unknown, path: string): unknown {
  if (typeof shape === "string") {
    if (shape === "any") return _readAny(value, path);
    if (shape === "int64") return _readInt64(value, path);
    if (shape === "bytes") return _readBytes(value, path);
    return _scalar(shape, value, path);
  }
  if ("struct" in shape) return _readStruct(_fieldsOf(shape.struct), value, path);
  if ("optional" in shape) return value === null ? null : _read(shape.optional, value, path);
  if ("list" in shape) {
    if (!Array.isArray(value)) throw new _Misfit(path, "must be a list");
    return value.map((item: unknown, at) => _read(shape.list, item, `${path}[${at}]`));
  }
  if ("literal" in shape) return _literal(shape.literal, value, path);
  if ("dict" in shape) {
    if (!_isObject(value)) throw new _Misfit(path, "must be an object");
    const made = _nothing();
    for (const key of Object.keys(value)) {
      made[key] = _read(shape.dict, value[key], `${path}.${key}`);
    }
    return made;
  }
  if ("page" in shape) return _readStruct(_pageFields(shape.page), value, path);
  if ("maybe" in shape) return _read(shape.maybe, value, path);
  return _firstThatFits(shape.union, path, (member) => _read(member, value, path));
}

/** Fields that this client does not know are passed over: a newer server may have more. */
function _readStruct(fields: _Fields, value: unknown, path: string): unknown {
  if (!_isObject(value)) throw new _Misfit(path, "must be an object");
  const made: Record<string, unknown> = {};
  for (const [wire, shape] of Object.entries(fields)) {
    if (Object.hasOwn(value, wire)) made[wire] = _read(shape, value[wire], `${path}.${wire}`);
    else if (typeof shape === "string" || !("maybe" in shape)) {
      throw new _Misfit(`${path}.${wire}`, "is missing");
    }
  }
  return made;
}

function _readAny(value: unknown, path: string): unknown {
  if (typeof value === "number") return _number(value, path);
  if (Array.isArray(value)) {
    return value.map((item: unknown, at) => _readAny(item, `${path}[${at}]`));
  }
  if (!_isObject(value)) return value;
  const made = _nothing();
  for (const key of Object.keys(value)) made[key] = _readAny(value[key], `${path}.${key}`);
  return made;
}

function _readInt64(value: unknown, path: string): bigint {
  if (typeof value === "string" && /^-?[0-9]{1,19}$/.test(value)) {
    const number = BigInt(value);
    if (BigInt.asIntN(64, number) === number) return number;
  }
  throw new _Misfit(path, "must be an int64 as a decimal string");
}

function _readBytes(value: unknown, path: string): Uint8Array {
  if (typeof value !== "string") throw new _Misfit(path, "must be bytes in base64");
  let text: string;
  try {
    text = atob(value);
  } catch {
    throw new _Misfit(path, "must be bytes in base64");
  }
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

// -- arguments: to JSON --------------------------------------------------------------------------

/** The steps of the transaction in which arguments are written; null for a lone call. */
type _Owner = _Steps | null;

function _write(shape: _Shape, value: unknown, path: string, owner: _Owner): unknown {
  const way = _wayOf(value, path, owner);
  if (way !== null) return { $result: way };
  if (typeof shape === "string") {
    if (shape === "any") return _writeAny(value, path, owner);
    if (shape === "int64") return _writeInt64(value, path);
    if (shape === "bytes") return _writeBytes(value, path);
    return _scalar(shape, value, path);
  }
  if ("struct" in shape) return _writeFields(_fieldsOf(shape.struct), value, `${path}.`, owner);
  if ("optional" in shape) {
    return value === null ? null : _write(shape.optional, value, path, owner);
  }
  if ("list" in shape) {
    if (!Array.isArray(value)) throw new _Misfit(path, "must be a list");
    const write = (item: unknown, at: number): unknown =>
      _write(shape.list, item, `${path}[${at}]`, owner);
    return Array.from(value, write);
  }
  if ("literal" in shape) return _literal(shape.literal, value, path);
  if ("dict" in shape) {
    return _writeObject(value, path, owner, (part, at) => _write(shape.dict, part, at, owner));
  }
  if ("page" in shape) return _writeFields(_pageFields(shape.page), value, `${path}.`, owner);
  if ("maybe" in shape) return _write(shape.maybe, value, path, owner);
  return _firstThatFits(shape.union, path, (member) => _write(member, value, path, owner));
}

/** Named fields; what is `undefined` is left out, what has no such name is refused. */
function _writeFields(fields: _Fields, value: unknown, prefix: string, owner: _Owner): unknown {
  if (!_isObject(value) || value instanceof Uint8Array) {
    throw new _Misfit(prefix.slice(0, -1), "must be an object");
  }
  const made: Record<string, unknown> = {};
  for (const wire of Object.keys(value)) {
    const part = value[wire];
    if (part === undefined) continue;
    const shape = Object.hasOwn(fields, wire) ? fields[wire] : undefined;
    if (shape === undefined) throw new _Misfit(`${prefix}${wire}`, "is not a field of this type");
    made[wire] = _write(shape, part, `${prefix}${wire}`, owner);
  }
  return made;
}

function _writeObject(
  value: unknown, path: string, owner: _Owner, write: (part: unknown, path: string) => unknown,
): unknown {
  if (!_isObject(value)) throw new _Misfit(path, "must be an object");
  const kind: unknown = Object.getPrototypeOf(value);
  if (kind !== null && Object.getPrototypeOf(kind) !== null) {
    throw new _Misfit(path, "must be a plain object: one of a class has no form on the wire");
  }
  const made = _nothing();
  for (const key of Object.keys(value)) {
    if (owner !== null && key === "$result") {
      throw new _Misfit(path, "has the key $result, which a transaction takes for a reference");
    }
    if (value[key] !== undefined) made[key] = write(value[key], `${path}.${key}`);
  }
  return made;
}

function _writeAny(value: unknown, path: string, owner: _Owner): unknown {
  const way = _wayOf(value, path, owner);
  if (way !== null) return { $result: way };
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return _number(value, path);
  if (Array.isArray(value)) {
    return Array.from(value, (item: unknown, at) => _writeAny(item, `${path}[${at}]`, owner));
  }
  if (typeof value !== "object") {
    throw new _Misfit(path, `is a ${typeof value}, which JSON has not`);
  }
  return _writeObject(value, path, owner, (part, at) => _writeAny(part, at, owner));
}

function _writeInt64(value: unknown, path: string): string {
  if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value.toString();
  throw new _Misfit(path, "must be a bigint between -2^63 and 2^63-1");
}

function _writeBytes(value: unknown, path: string): string {
  if (!(value instanceof Uint8Array)) throw new _Misfit(path, "must be a Uint8Array");
  let text = "";
  for (let at = 0; at < value.length; at += 8192) {
    text += String.fromCharCode(...value.subarray(at, at + 8192));
  }
  return btoa(text);
}

/** The arguments of a call as they travel; what breaks a rule is told as the server would. */
function _writeArguments(method: _Method, given: object, owner: _Owner): unknown {
  try {
    return _writeFields(method.params, given, "", owner);
  } catch (error) {
    if (error instanceof RangeError) {
      // The stack is at its end: a value that holds itself.
      throw new InvalidArgument({ detail: `an argument of ${method.name} has no end.` });
    }
    if (!(error instanceof _Misfit)) throw error;
    throw new InvalidArgument({
      detail: `${error.path} of ${method.name} ${error.message}.`,
      hint: "Give it the type that the signature names.",
      path: error.path,
    });
  }
}
