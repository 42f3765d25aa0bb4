/** Where the stories find the kiosk, and what lies on the line to it. */
import assert from "node:assert/strict";
import { createServer, type IncomingMessage, type Server } from "node:http";
import {
  connect as dial, createServer as createLine, type AddressInfo, type Socket,
} from "node:net";

import { Kiosk, type ConnectOptions } from "./clients/kiosk.js";

export const url = process.env["KIOSK_URL"] ?? "";
export const key = process.env["KIOSK_KEY"] ?? "";

export function kiosk(options: Partial<ConnectOptions> = {}): Kiosk {
  return new Kiosk({ url, key, ...options });
}

/** The error that a call ends with. */
export async function ending(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  return assert.fail("the call went well");
}

export function portOf(server: { address(): unknown }): number {
  return (server.address() as AddressInfo).port;
}

/** A line to the kiosk that loses so many answers: the kiosk has sent them, nobody gets them. */
export class Line {
  lost = 0;
  url = "";
  #left: number;
  readonly #sockets = new Set<Socket>();
  readonly #server = createLine((caller) => this.#carry(caller));

  constructor(answersToLose: number) {
    this.#left = answersToLose;
  }

  async open(port = 0): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(port, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${portOf(this.#server)}`;
    return this;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #carry(caller: Socket): void {
    const { hostname, port } = new URL(url);
    const server = dial(Number(port), hostname);
    for (const socket of [caller, server]) {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => this.#sockets.delete(socket));
    }
    caller.on("data", (bytes) => server.write(bytes));
    caller.on("close", () => server.destroy());
    server.on("close", () => caller.destroy());
    server.on("data", (bytes) => {
      if (this.#left === 0) {
        caller.write(bytes);
        return;
      }
      this.#left -= 1;
      this.lost += 1;
      caller.destroy();
    });
  }
}

export interface Asked {
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** Somebody at an address who answers with what he was given; the last answer for ever. */
export class Stranger {
  readonly asked: Asked[] = [];
  url = "";
  readonly #server: Server;

  constructor(...answers: { status?: number; headers?: Record<string, string>; body: string }[]) {
    this.#server = createServer((request, response) => {
      let body = "";
      request.on("data", (bytes: Buffer) => (body += bytes.toString()));
      request.on("end", () => {
        const answer = answers[Math.min(this.asked.length, answers.length - 1)];
        this.asked.push({ path: request.url ?? "", headers: request.headers, body });
        if (answer === undefined) return; // He never answers.
        response.writeHead(answer.status ?? 200, answer.headers).end(answer.body);
      });
    });
  }

  async open(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, "127.0.0.1", done));
    this.url = `http://127.0.0.1:${portOf(this.#server)}`;
    return this;
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
