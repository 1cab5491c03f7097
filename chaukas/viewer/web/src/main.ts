// The page: it asks the server that it came from, or the file that it stands in.
import { mount } from "svelte";
import App from "./App.svelte";
import "uplot/dist/uPlot.min.css";
import "./style.css";

const target = document.getElementById("app");
if (target) mount(App, { target });
