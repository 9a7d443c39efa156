// Wires the rooms together: which page an address means. The only file that sees them all.
import "./style.css";
import { showFailure, showPage, showSignIn } from "@/panels/pages";
import { ApiError, api, signInAddress } from "@/sync/api";

async function start(root: HTMLElement): Promise<void> {
  const { user } = await api.session();
  const path = location.pathname;
  if (path === "/sign-in") {
    showSignIn(root);
    return;
  }
  if (!user) {
    location.replace(signInAddress(path + location.search));
    return;
  }
  const scene = /^\/scenes\/(\d+)\/?$/.exec(path);
  if (!scene) {
    showPage(root, path, user);
    return;
  }
  showFailure(root, "This version cannot open scenes yet: the workspace is being built.");
}

const root = document.getElementById("app");
if (root) {
  start(root).catch((failure: unknown) =>
    showFailure(root, failure instanceof ApiError ? failure.message : String(failure)),
  );
}
