// Draw everything; the pictures, which stand behind this script, come when they have been read.
const section = (id) => document.getElementById(id).parentElement;
const draws = { videos: drawVideos, subjects: drawSubjects, distributions: drawCharts, labels: drawFacets };
if (film) drawRecordings();
bar.hidden = !corpus.count && film !== null;
for (const [id, draw] of Object.entries(draws)) {
  section(id).hidden = (!corpus.count && (film !== null || id !== "videos")) || draw() === false;
  if (id === "videos") document.documentElement.dataset.firstRow = Math.round(performance.now());
}
chosen();
document.documentElement.dataset.ready = Math.round(performance.now());

document.addEventListener("DOMContentLoaded", () => {
  videoTable?.draw(true);
  const asked = corpus.id.indexOf(decodeURIComponent(location.hash.slice(1)));
  if (location.hash && asked >= 0) {
    videoTable.go(videoTable.rows.indexOf(asked));
    openVideo(asked);
  }
});
