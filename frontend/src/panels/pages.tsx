import { type JSX, render } from "preact";
import { Account } from "@/panels/Account";
import { Confirmed, Forgotten, NewPassword } from "@/panels/ByMail";
import { Invited } from "@/panels/Invited";
import { isTab, ProjectPage } from "@/panels/ProjectPage";
import { Projects } from "@/panels/Projects";
import { SignIn } from "@/panels/SignIn";
import type { User } from "@/sync/api";

/** Which page an address means; null for one that we do not know. */
export function pageFor(path: string, user: User): JSX.Element | null {
  const project = /^\/projects\/(\d+)(?:\/(\w+))?\/?$/.exec(path);
  const tab = project?.[2] ?? "scenes";
  if (project && isTab(tab)) {
    return <ProjectPage user={user} id={Number(project[1])} tab={tab} />;
  }
  if (/^\/account\/?$/.test(path)) return <Account user={user} />;
  return path === "/" ? <Projects user={user} /> : null;
}

export function showPage(root: HTMLElement, path: string, user: User): void {
  render(
    pageFor(path, user) ?? (
      <main class="sign-in">
        <div class="empty">
          <h1>There is no such page</h1>
          <p>
            <a href="/">Back to your projects</a>
          </p>
        </div>
      </main>
    ),
    root,
  );
}

/** Pages for who is not signed in, by their address. secret: behind the #, so that no log of addresses has it. */
const OPEN_PAGES: Record<string, (secret: string) => JSX.Element> = {
  "/sign-in": () => <SignIn />,
  "/invited": (secret) => <Invited secret={secret} />,
  "/forgotten": () => <Forgotten />,
  "/new-password": (secret) => <NewPassword secret={secret} />,
  "/confirm": (secret) => <Confirmed secret={secret} />,
};

/** False: the address is none of these. */
export function showOpenPage(root: HTMLElement, path: string, secret: string): boolean {
  const page = Object.hasOwn(OPEN_PAGES, path) ? OPEN_PAGES[path] : undefined;
  if (page) render(page(secret), root);
  return page !== undefined;
}

export function showFailure(root: HTMLElement, words: string): void {
  render(
    <main class="sign-in">
      <div class="empty">
        <h1>Masklet cannot start</h1>
        <p role="alert">{words}</p>
        <button type="button" onClick={() => location.reload()}>
          Try again
        </button>
      </div>
    </main>,
    root,
  );
}
