// Draw everything; the pictures, which stand behind this script, come when they have been read.
bar.hidden = false;
for (const section of document.querySelectorAll(".scripted")) section.hidden = false;
drawVideos();
document.documentElement.dataset.firstRow = Math.round(performance.now());
drawSubjects();
drawCharts();
if (!drawFacets()) document.getElementById("labels").parentElement.hidden = true;
chosen();

document.addEventListener("DOMContentLoaded", () => {
  videoTable.draw(true);
  const asked = corpus.id.indexOf(decodeURIComponent(location.hash.slice(1)));
  if (location.hash && asked >= 0) {
    videoTable.go(videoTable.rows.indexOf(asked));
    openVideo(asked);
  }
});
