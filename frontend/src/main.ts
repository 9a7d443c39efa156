// Wires the rooms together: which page an address means. The only file that sees them all.
import "./style.css";
import { showFailure, showOpenPage, showPage } from "@/panels/pages";
import { ApiError, api, signInAddress } from "@/sync/api";

async function start(root: HTMLElement): Promise<void> {
  const { user } = await api.session();
  const path = location.pathname;
  if (showOpenPage(root, path, location.hash.slice(1))) return;
  if (!user) {
    location.replace(signInAddress(path + location.search));
    return;
  }
  const scene = /^\/scenes\/(\d+)\/?$/.exec(path);
  if (!scene) {
    showPage(root, path, user);
    return;
  }
  // Three.js and the decoders are for the workspace alone.
  const { openWorkspace } = await import("@/panels/workspace/WorkspacePage");
  openWorkspace(root, Number(scene[1]), numbersIn(location.search));
}

interface WorkspaceNumbers {
  task?: number;
  frame?: number;
  issue?: number;
}

/** The task, the frame and the issue that an address names. */
function numbersIn(search: string): WorkspaceNumbers {
  const given = new URLSearchParams(search);
  const numbers: WorkspaceNumbers = {};
  for (const name of ["task", "frame", "issue"] as const) {
    if (/^\d+$/.test(given.get(name) ?? "")) numbers[name] = Number(given.get(name));
  }
  return numbers;
}

const root = document.getElementById("app");
if (root) {
  start(root).catch((failure: unknown) =>
    showFailure(root, failure instanceof ApiError ? failure.message : String(failure)),
  );
}
