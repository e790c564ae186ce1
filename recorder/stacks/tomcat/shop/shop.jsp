<%@ page session="false" contentType="application/json; charset=UTF-8" trimDirectiveWhitespaces="true" %>
<%-- A shop with one value in the session of the servlet container. The sessions themselves are Tomcat's. --%>
<%
    response.setHeader("x-node", System.getProperty("node"));
    String path = request.getServletPath();
    if (path.equals("/health")) {
        out.print("\"up\"");
        return;
    }
    if (path.equals("/login")) {
        HttpSession old = request.getSession(false);
        if (old != null) {
            old.invalidate();
        }
        HttpSession fresh = request.getSession(true);
        fresh.setAttribute("user", request.getParameter("user"));
        fresh.setAttribute("value", request.getParameter("value"));
        out.print("true");
        return;
    }
    HttpSession session = request.getSession(false);
    if (session == null || session.getAttribute("user") == null) {
        response.setStatus(401);
        return;
    }
    if (path.equals("/logout")) {
        session.invalidate();
    } else if (path.equals("/renew")) {
        request.changeSessionId();
    } else if (request.getMethod().equals("POST")) {
        session.setAttribute("value", request.getParameter("value"));
    } else {
        String value = (String) session.getAttribute("value");
        value = value.replace("\\", "\\\\").replace("\"", "\\\"").replace("\n", "\\n");
        out.print("{\"value\":\"" + value + "\"}");
        return;
    }
    out.print("true");
%>
