// The canonical face, and the shoulders beside it, as lines; it turns under the pointer or the arrow keys.
const edges = JSON.parse(document.getElementById("edges").textContent);
const CENTRE = [256, 232, 128];
const REACH = 150; // canonical pixels from the middle of the picture to its edge, for the face alone

const parts = [
  { names: ["tesselation"], colour: "--soft", width: 0.5, strength: 0.45 },
  { names: ["face_oval"], colour: "--ink", width: 1.2, strength: 0.7 },
  { names: ["left_eyebrow", "right_eyebrow", "left_eye", "right_eye", "left_iris", "right_iris"], colour: "--roll", width: 1.4, strength: 1 },
  { names: ["lips"], colour: "--lips", width: 1.6, strength: 1 },
];

function points(text) {
  const tenths = unpacked(text, Int16Array);
  return Array.from({ length: tenths.length / 3 }, (_, at) => CENTRE.map((middle, axis) => tenths[3 * at + axis] / 10 - middle));
}

class Mesh {
  constructor(face, shoulders) {
    this.face = points(face);
    this.shoulders = shoulders ? points(shoulders) : [];
    const lowest = Math.max(...this.shoulders.map(([, y]) => y), 120);
    const widest = Math.max(...this.shoulders.map(([x]) => Math.abs(x)), 0);
    this.reach = Math.max(REACH, Math.min(1.12 * Math.max((lowest + 130) / 2, widest), 360));
    this.shift = Math.max(Math.min((lowest - 130) / 2, 190), 0);
    this.turn = { yaw: -0.35, pitch: 0.08 };
    this.canvas = el("canvas", { width: 512, height: 512, tabindex: 0, role: "img", "aria-label": "Canonical mesh; arrow keys turn it" });
    this.element = el("figure", { class: "mesh sheet" }, this.canvas, el("figcaption", {}, `Canonical mesh${this.shoulders.length ? " and shoulders" : ""}; drag to turn`));
    this.listen();
    this.draw();
  }

  listen() {
    this.canvas.addEventListener("pointerdown", (event) => this.canvas.setPointerCapture(event.pointerId));
    this.canvas.addEventListener("pointermove", (event) => {
      if (!event.buttons) return;
      this.rotate(event.movementX / 120, -event.movementY / 120);
    });
    this.canvas.addEventListener("keydown", (event) => {
      const steps = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1] };
      if (!(event.key in steps)) return;
      event.preventDefault();
      event.stopPropagation();
      this.rotate(...steps[event.key]);
    });
  }

  rotate(yaw, pitch) {
    this.turn.yaw += yaw;
    this.turn.pitch = Math.min(Math.max(this.turn.pitch + pitch, -1.5), 1.5);
    this.draw();
  }

  // Canonical z points to the viewer; the picture is seen without perspective.
  project([x, y, z]) {
    const { yaw, pitch } = this.turn;
    const [side, depth] = [x * Math.cos(yaw) + z * Math.sin(yaw), z * Math.cos(yaw) - x * Math.sin(yaw)];
    const high = y * Math.cos(pitch) + depth * Math.sin(pitch);
    const scale = 250 / this.reach;
    return [256 + side * scale, 256 + (high - this.shift) * scale];
  }

  draw() {
    const pen = this.canvas.getContext("2d");
    const style = getComputedStyle(document.documentElement);
    const ink = (name) => style.getPropertyValue(name).trim();
    pen.clearRect(0, 0, 512, 512);
    const face = this.face.map((point) => this.project(point));
    for (const { names, colour, width, strength } of parts) {
      pen.globalAlpha = strength;
      pen.strokeStyle = ink(colour);
      pen.lineWidth = width * 2;
      pen.beginPath();
      for (const lines of names.map((one) => edges[one])) {
        for (let at = 0; at < lines.length; at += 2) {
          pen.moveTo(...face[lines[at]]);
          pen.lineTo(...face[lines[at + 1]]);
        }
      }
      pen.stroke();
    }
    this.drawShoulders(pen, ink("--accepted"));
  }

  // Nine points a side, in order.
  drawShoulders(pen, colour) {
    pen.globalAlpha = 1;
    pen.strokeStyle = colour;
    pen.lineWidth = 5;
    for (const side of [this.shoulders.slice(0, 9), this.shoulders.slice(9)]) {
      pen.beginPath();
      side.map((point) => this.project(point)).forEach((place, at) => (at ? pen.lineTo(...place) : pen.moveTo(...place)));
      pen.stroke();
    }
  }
}
