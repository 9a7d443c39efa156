import type { PictureView } from "./PictureView";
import type { PromptMark } from "./sources";

const RADIUS_PX = 7;

/** Over a picture: clicks as green plus and red minus, issues as an amber bar; hollow while pending. */
export function drawMarks(
  context: CanvasRenderingContext2D,
  marks: readonly PromptMark[],
  view: PictureView,
  pixelRatio: number,
): void {
  context.save();
  context.scale(pixelRatio, pixelRatio);
  context.lineWidth = 1.5;
  context.strokeStyle = "#fff";
  for (const { position, positive, pending, isIssue } of marks) {
    const [x, y] = view.screenAt(position[0]!, position[1]!);
    context.fillStyle = isIssue ? "#d98c0d" : positive ? "#1a9e47" : "#cc2929";
    context.globalAlpha = pending ? 0.3 : 1;
    context.beginPath();
    context.arc(x, y, RADIUS_PX, 0, 2 * Math.PI);
    context.fill();
    context.globalAlpha = 1;
    context.stroke();
    context.beginPath();
    if (!isIssue) {
      context.moveTo(x - 3.5, y);
      context.lineTo(x + 3.5, y);
    }
    if (positive) {
      context.moveTo(x, y - 3.5);
      context.lineTo(x, y + 3.5);
    }
    context.stroke();
  }
  context.restore();
}
