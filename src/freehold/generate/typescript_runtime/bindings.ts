// -- bindings ------------------------------------------------------------------------------------

interface _Options {
  readonly timeoutMs: number;
  readonly idempotencyKey: string | undefined;
  readonly actAs: string | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A consumer's typed handle on an entrypoint. Made once and kept. */
abstract class _Binding {
  protected _wire: _Wire;
  protected _options: _Options;

  constructor(options: ConnectOptions) {
    const timeoutMs = _checkedTimeout(options.timeoutMs ?? _TIMEOUT_MS);
    this._wire = new _Wire(options);
    this._options = { timeoutMs, idempotencyKey: undefined, actAs: undefined, signal: undefined };
  }

  /** The highest commit that this binding has seen; its queries see at least that one. */
  get seq(): number {
    return this._wire.seq;
  }

  /** The same binding with other options for its calls; what is left out stays as it is. */
  withOptions(options: CallOptions): this {
    const { timeoutMs, idempotencyKey, actAs, signal } = options;
    const twin = Object.create(Object.getPrototypeOf(this) as object) as this;
    twin._wire = this._wire;
    twin._options = {
      timeoutMs: timeoutMs === undefined ? this._options.timeoutMs : _checkedTimeout(timeoutMs),
      idempotencyKey:
        idempotencyKey === undefined
          ? this._options.idempotencyKey
          : _checkedKey(idempotencyKey, "idempotencyKey"),
      actAs: actAs === undefined ? this._options.actAs : _checkedUser(actAs),
      signal: signal ?? this._options.signal,
    };
    return twin;
  }

  protected async _call<T>(method: _Method, given: object): Promise<T> {
    const request = {
      name: method.name,
      path: `/rpc/${method.name.replace(".", "/")}`,
      isQuery: method.isQuery,
      body: JSON.stringify(_writeArguments(method, given, null)),
      read: (answer: unknown) => _read(method.returns, answer, "the answer") as T,
    };
    return this._wire.send(request, this._options);
  }

  protected async _together<S extends _Steps, R extends _Wanted>(
    steps: S, build: (steps: S) => R,
  ): Promise<Results<R>> {
    const wanted = build(steps);
    const calls = steps._calls;
    const request = {
      name: `the transaction of ${calls.map((call) => call.method.name).join(", ")}`,
      path: "/rpc",
      isQuery: calls.every((call) => call.method.isQuery),
      body: JSON.stringify(calls.map((call) => ({ method: call.method.name, args: call.args }))),
      read: (answer: unknown) => _readAll(calls, answer),
    };
    const all = calls.length === 0 ? [] : await this._wire.send(request, this._options);
    const of = (step: _AnyStep): unknown => all[steps._placeOf(step)];
    if (wanted === undefined) return undefined as Results<R>;
    const picked: unknown = wanted instanceof _AnyStep ? of(wanted) : Array.from(wanted, of);
    return picked as Results<R>;
  }
}

/** A binding to the entrypoint at the address: `connect(DataLayer, url, key)`. */
function connect<T extends _Binding>(
  entrypoint: new (options: ConnectOptions) => T, url: string, key?: string,
): T {
  return new entrypoint(key === undefined ? { url } : { url, key });
}

// -- several calls, one transaction --------------------------------------------------------------

declare const _refers: unique symbol;
declare const _gives: unique symbol;

interface _Refers<out T> {
  readonly [_refers]: T;
}

type _Leaf = string | number | bigint | boolean | null | undefined | Uint8Array;

/** Stands for a result that is not there yet, or for a part of it: `user.ref.id`. */
type Ref<T> = _Refers<T> & _Parts<NonNullable<T>>;

type _Parts<T> = T extends _Leaf
  ? unknown
  : T extends readonly (infer I)[]
    ? { at(index: number): Ref<I> }
    : string extends keyof T
      ? { at(key: string): Ref<T[keyof T]> }
      : { readonly [K in keyof T]-?: Ref<T[K]> };

/** An argument in a transaction: the value itself, or references wherever they stand for it. */
type Given<T> =
  | T
  | _Refers<T>
  | (T extends _Leaf
      ? never
      : T extends readonly (infer I)[]
        ? readonly Given<I>[]
        : T extends object
          ? { [K in keyof T]: Given<T[K]> }
          : never);

abstract class _AnyStep {
  protected declare readonly _isStep: true;
}

/** One call of a transaction. `ref` stands for its result in the calls behind it. */
class Step<T> extends _AnyStep {
  declare readonly [_gives]: T;
  readonly ref: Ref<T>;

  constructor(ref: unknown) {
    super();
    this.ref = ref as Ref<T>;
  }
}

type _Wanted = _AnyStep | readonly _AnyStep[] | void;

/** What a transaction resolves to: the results of the steps that its function returned. */
type Results<R> = R extends Step<infer T>
  ? T
  : R extends readonly unknown[]
    ? { -readonly [K in keyof R]: R[K] extends Step<infer T> ? T : never }
    : void;

interface _Reference {
  readonly owner: _Steps;
  readonly way: readonly (string | number)[];
}

const _REFERENCES = new WeakMap<object, _Reference>();

/** The way that a reference stands for; null for any other value. */
function _wayOf(value: unknown, path: string, owner: _Owner): _Reference["way"] | null {
  if (typeof value !== "object" || value === null) return null;
  if (value instanceof _AnyStep) throw new _Misfit(path, "is a step; its result is `step.ref`");
  const found = _REFERENCES.get(value);
  if (found === undefined) return null;
  if (found.owner === owner) return found.way;
  throw new _Misfit(path, "refers to a result of another transaction");
}

function _reference(owner: _Steps, shape: _Shape, way: _Reference["way"]): object {
  const part = (inner: _Shape, step: string | number): object =>
    _reference(owner, inner, [...way, step]);
  const made = new Proxy(Object.freeze(_nothing()), {
    get: (_, name) => (typeof name === "string" ? _partOf(shape, name, part) : undefined),
  });
  _REFERENCES.set(made, { owner, way });
  return made;
}

function _partOf(
  shape: _Shape, name: string, part: (inner: _Shape, step: string | number) => object,
): unknown {
  if (typeof shape === "string") return undefined;
  if ("optional" in shape) return _partOf(shape.optional, name, part);
  if ("maybe" in shape) return _partOf(shape.maybe, name, part);
  if ("list" in shape) return name === "at" ? (at: number) => part(shape.list, at) : undefined;
  if ("dict" in shape) return name === "at" ? (key: string) => part(shape.dict, key) : undefined;
  let fields: _Fields = {};
  if ("struct" in shape) fields = _fieldsOf(shape.struct);
  else if ("page" in shape) fields = _pageFields(shape.page);
  const inner = Object.hasOwn(fields, name) ? fields[name] : undefined;
  return inner === undefined ? undefined : part(inner, name);
}

interface _StepCall {
  readonly method: _Method;
  readonly args: unknown;
}

/** Collects the calls of a transaction; nothing is sent before all of them are known. */
abstract class _Steps {
  readonly _calls: _StepCall[] = [];
  readonly #places = new Map<_AnyStep, number>();

  _placeOf(step: _AnyStep): number {
    const place = this.#places.get(step);
    if (place !== undefined) return place;
    throw new InvalidArgument({
      detail: "a transaction was asked for the result of a step that is not its own.",
      hint: "Return steps that were made by the `t` of this very transaction.",
    });
  }

  protected _step<T>(method: _Method, given: object): Step<T> {
    const place = this._calls.length;
    this._calls.push({ method, args: _writeArguments(method, given, this) });
    const step = new Step<T>(_reference(this, method.returns, [place]));
    this.#places.set(step, place);
    return step;
  }
}

function _readAll(calls: readonly _StepCall[], answer: unknown): unknown[] {
  if (!Array.isArray(answer) || answer.length !== calls.length) {
    throw new _Misfit("the answer", `must be a list of ${calls.length} results`);
  }
  return calls.map((call, at) => _read(call.method.returns, answer[at], `the answer[${at}]`));
}
