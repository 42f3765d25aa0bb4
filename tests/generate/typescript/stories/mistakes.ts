/** What the compiler must refuse, and what it must know; this file is compiled and never run. */
import type { Book, BookLent, BookPatch, Library, NewBook } from "./clients/library.js";
import { Cellar, connect, type _Page as Page } from "./clients/library.js";

type Same<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

function is<A, B>(..._proof: Same<A, B> extends true ? [] : ["not the same"]): void {}

export async function understood(dal: Library, error: BookLent): Promise<void> {
  const book = await dal.getBook("b1");
  is<typeof book, Book | null>();
  const page = await dal.listBooks({ status: "in", sinceDays: 3, authorId: null });
  is<typeof page, Page<Book>>();
  const lent = await dal.lendBook("b1", { readerId: "r1" });
  is<typeof lent.status, "in" | "lent" | "lost">();
  is<typeof lent.copiesPrinted, bigint>();
  is<typeof lent.cover, Uint8Array | null>();
  is<typeof error.backAt, bigint | null>();
  is<typeof error.status_, "lent" | "lost">();
  is<NewBook["shelfMark"], string | null | undefined>();
  const cellar = connect(Cellar, "http://127.0.0.1:8791", "key");
  is<typeof cellar, Cellar>();
  const both = await dal.transaction((t) => {
    const found = t.getBook("b1");
    return [found, t.lendBook(found.ref.id, { readerId: "r" }), t.list(["x"])];
  });
  is<typeof both, [Book | null, Book, string[]]>();
  const one = await dal.transaction((t) => t.forgetBook("b1"));
  is<typeof one, void>();
  dal.withOptions({ timeoutMs: 1 }).withOptions({ idempotencyKey: "k" }).getBook("b");
}

export async function refused(dal: Library, book: Book): Promise<void> {
  // @ts-expect-error: by name
  await dal.lendBook("b1", "r1");
  // @ts-expect-error: the reader is missing
  await dal.lendBook("b1");
  // @ts-expect-error: not a string
  await dal.getBook(1);
  // @ts-expect-error: not a status
  await dal.listBooks({ status: "burnt" });
  // @ts-expect-error: no such argument
  await dal.listBooks({ states: "in" });
  // @ts-expect-error: no such field
  await dal.updateBook("b1", { name: "x" });
  // @ts-expect-error: undefined is not left out
  const patch: BookPatch = { title: undefined };
  // @ts-expect-error: no id
  const made: NewBook = { title: "t" };
  // @ts-expect-error: a bigint
  const printed: NewBook = { id: "b", title: "t", copiesPrinted: 1 };
  // @ts-expect-error: no such method
  dal.stealBook("b1");
  // @ts-expect-error: may be null
  book.weight + 1;
  // @ts-expect-error: seconds are no text
  book.createdAt.trim();
  // @ts-expect-error: the name of a reader is no list of kinds
  await dal.transaction((t) => [t.list(t.getBook("b1").ref.title)]);
  // @ts-expect-error: nothing waits inside of a transaction
  await dal.transaction(async (t) => [t.getBook("b1")]);
  void [patch, made, printed];
}
